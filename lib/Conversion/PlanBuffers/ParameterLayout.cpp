//===- ParameterLayout.cpp - parameters in the flat buffers -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ParameterLayout.h"
#include "Places.h"
#include "colo/Conversion/Mesh.h"
#include "colo/Dialect/Pipe/PipeDialect.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace colo;

SmallVector<StringRef> colo::reduceAxes(ParamOp param) {
  SmallVector<StringRef> axes;
  if (ArrayAttr reduce = param.getReduceAttr())
    for (StringAttr axis : reduce.getAsRange<StringAttr>())
      axes.push_back(axis.getValue());
  return axes;
}

/// Mesh axes that cut no dim: the parameter is replicated over them.
static SmallVector<StringRef> ownerAxes(ParamOp param, const Mesh &mesh) {
  llvm::SetVector<StringRef> used;
  if (ArrayAttr sharding = param.getShardingAttr())
    for (ArrayAttr dim : sharding.getAsRange<ArrayAttr>())
      for (StringAttr axis : dim.getAsRange<StringAttr>())
        used.insert(axis.getValue());
  SmallVector<StringRef> axes;
  for (const MeshAxis &axis : mesh)
    if (!used.contains(axis.name))
      axes.push_back(axis.name);
  return axes;
}

namespace {

struct ParameterClass {
  SmallVector<StringRef> reduce, owners;
  bool decay;
  ArrayRef<int64_t> shared; ///< pipeline ranks that hold the same parameters
  bool copies;              ///< whether another of them speaks for these
  SmallVector<ParamOp> params;
};

int64_t rankOf(ParamOp param) {
  auto rank = param->getAttrOfType<IntegerAttr>(pipe::kRankAttr);
  return rank ? rank.getInt() : 0;
}

ArrayRef<int64_t> sharedBy(ParamOp param) {
  auto ranks = param->getAttrOfType<DenseI64ArrayAttr>(pipe::kSharedAttr);
  return ranks ? ranks.asArrayRef() : ArrayRef<int64_t>();
}

/// Parameters of a run of layers agree on what precedes the layer number and on the layers.
std::string runOf(ParamOp param) {
  if (param.getLayers() == 1)
    return "";
  return (param.getSymName().split('#').first + "#" + Twine(param.getFirstLayer()) + "+" + Twine(param.getLayers()))
      .str();
}

class LayoutBuilder {
public:
  LayoutBuilder(ModuleOp module) : module(module), builder(module.getContext()) {
    // What a program without parameters says of them.
    layout.element = layout.readAs = builder.getF32Type();
  }

  ParameterLayout run() {
    pipe::ScheduleOp schedule = pipe::findSchedule(module);
    int64_t ranks = schedule ? static_cast<int64_t>(schedule.getStages()) : 1;
    SmallVector<int64_t> sizes;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      layout.elements = 0;
      for (const ParameterClass &cls : classify(rank))
        addSegment(cls, rank);
      sizes.push_back(layout.elements);
    }
    layout.elements = *llvm::max_element(sizes);
    module->setAttr(kSegmentsAttr, builder.getArrayAttr(segments));
    module->setAttr(kParamElementsAttr, builder.getI64IntegerAttr(layout.elements));
    if (schedule)
      module->setAttr(kRankElementsAttr, builder.getDenseI64ArrayAttr(sizes));
    return std::move(layout);
  }

private:
  void addSegment(const ParameterClass &cls, int64_t rank) {
    int64_t begin = layout.elements;
    place(cls, static_cast<int>(segments.size()));
    SmallVector<NamedAttribute> entries{builder.getNamedAttr("begin", builder.getI64IntegerAttr(begin)),
                                        builder.getNamedAttr("end", builder.getI64IntegerAttr(layout.elements)),
                                        builder.getNamedAttr("decay", builder.getBoolAttr(cls.decay)),
                                        builder.getNamedAttr("reduce", builder.getStrArrayAttr(cls.reduce)),
                                        builder.getNamedAttr("owner_axes", builder.getStrArrayAttr(cls.owners))};
    if (rank != 0)
      entries.push_back(builder.getNamedAttr("rank", builder.getI64IntegerAttr(rank)));
    if (!cls.shared.empty())
      entries.push_back(builder.getNamedAttr("shared", builder.getDenseI64ArrayAttr(cls.shared)));
    if (cls.copies)
      entries.push_back(builder.getNamedAttr("copy", builder.getUnitAttr()));
    segments.push_back(builder.getDictionaryAttr(entries));
  }

  /// Of one pipeline rank, in the order in which their first parameters come.
  std::vector<ParameterClass> classify(int64_t rank) {
    Mesh mesh = getMesh(module);
    std::vector<ParameterClass> classes;
    for (ParamOp param : module.getOps<ParamOp>()) {
      layout.element = cast<RankedTensorType>(param.getType()).getElementType();
      layout.readAs = param.getReadAs().value_or(layout.element);
      if (rankOf(param) != rank)
        continue;
      bool copy = param->hasAttr(pipe::kCopyOfAttr);
      SmallVector<StringRef> reduce = reduceAxes(param), owners = ownerAxes(param, mesh);
      auto it = llvm::find_if(classes, [&](const ParameterClass &cls) {
        return cls.reduce == reduce && cls.owners == owners && cls.decay == param.getDecay() &&
               cls.shared == sharedBy(param) && cls.copies == copy;
      });
      if (it == classes.end())
        it = classes.insert(it, {reduce, owners, param.getDecay(), sharedBy(param), copy, {}});
      it->params.push_back(param);
    }
    return classes;
  }

  int64_t span(ParamOp param) {
    auto type = cast<RankedTensorType>(param.getType());
    return alignUp(type.getNumElements(), kAlignment / elementBytes(type.getElementType()));
  }

  void set(ParamOp param, int64_t offset, int64_t stride, int segment) {
    param->setAttr("offset", builder.getI64IntegerAttr(offset));
    param->setAttr("layer_stride", builder.getI64IntegerAttr(stride));
    param->setAttr("segment", builder.getI64IntegerAttr(segment));
  }

  void place(const ParameterClass &cls, int segment) {
    llvm::MapVector<StringRef, SmallVector<ParamOp>> groups;
    std::vector<std::string> names;
    names.reserve(cls.params.size());
    for (ParamOp param : cls.params) {
      names.push_back(param.getLayers() == 1 ? param.getSymName().str() : runOf(param));
      groups[names.back()].push_back(param);
    }
    for (auto &[name, params] : groups) {
      int64_t begin = layout.elements, stride = 0, layers = params.front().getLayers();
      for (ParamOp param : params)
        stride += span(param);
      int64_t offset = begin;
      for (ParamOp param : params) {
        set(param, offset, layers == 1 ? 0 : stride, segment);
        offset += span(param);
      }
      if (layers > 1)
        layout.spans.push_back({params, begin, stride, segment});
      layout.elements += stride * layers;
    }
  }

  ModuleOp module;
  Builder builder;
  ParameterLayout layout;
  SmallVector<Attribute> segments;
};

} // namespace

ParameterLayout colo::layOutParameters(ModuleOp module) { return LayoutBuilder(module).run(); }
