//===- Sharding.cpp - meshes, shardings, single steps -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Sharding.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringExtras.h"
#include <algorithm>
#include <numeric>

using namespace mlir;
using namespace colo;
using namespace colo::dist;

int64_t dist::dimOfFactor(const TensorFactors &dims, int factor) {
  for (auto [dim, factors] : llvm::enumerate(dims))
    if (llvm::is_contained(factors, factor))
      return static_cast<int64_t>(dim);
  return -1;
}

//===----------------------------------------------------------------------===//
// Mesh
//===----------------------------------------------------------------------===//

Mesh Mesh::of(MeshOp op) {
  Mesh mesh;
  mesh.symbol = op.getSymName().str();
  for (StringAttr name : op.getAxes().getAsRange<StringAttr>())
    mesh.names.push_back(name.str());
  mesh.sizes.assign(op.getSizes().begin(), op.getSizes().end());
  if (ArrayAttr zigzag = op.getZigzagAttr())
    for (StringAttr name : zigzag.getAsRange<StringAttr>())
      if (std::optional<int> axis = mesh.find(name.getValue()))
        mesh.zigzag.push_back(*axis);
  return mesh;
}

int64_t Mesh::groupSize(ArrayRef<int> axes) const {
  int64_t n = 1;
  for (int axis : axes)
    n *= sizes[axis];
  return n;
}

int64_t Mesh::granule(ArrayRef<int> axes) const {
  int64_t units = 1;
  for (int axis : llvm::reverse(axes))
    units = (isZigzag(axis) ? std::lcm(units, int64_t(2)) : units) * sizes[axis];
  return units;
}

SmallVector<int64_t> Mesh::blocks(ArrayRef<int> axes) const {
  SmallVector<int64_t> result;
  if (llvm::none_of(axes, [&](int axis) { return isZigzag(axis); }))
    return result;
  int64_t members = groupSize(axes), each = granule(axes) / members;
  for (int64_t i = 0; i < members * each; ++i) {
    // From the most minor axis outwards: where the block lies in the part of all axes but those more minor.
    int64_t member = i / each, block = i % each, size = each;
    for (int axis : llvm::reverse(axes)) {
      int64_t n = sizes[axis], coordinate = member % n, half = size / 2;
      member /= n;
      if (!isZigzag(axis))
        block += coordinate * size;
      else if (block < half)
        block += coordinate * half;
      else
        block += (2 * n - 2 - coordinate) * half;
      size *= n;
    }
    result.push_back(block);
  }
  return result;
}

std::optional<int> Mesh::find(StringRef name) const {
  for (int axis = 0; axis < rank(); ++axis)
    if (names[axis] == name)
      return axis;
  return std::nullopt;
}

std::string Mesh::describe(ArrayRef<int> axes) const {
  auto quoted = llvm::map_range(axes, [&](int axis) { return '"' + names[axis] + '"'; });
  return (axes.size() == 1 ? "mesh axis " : "mesh axes ") + llvm::join(quoted, ", ");
}

std::string Mesh::describeMultiple(ArrayRef<int> axes) const {
  int64_t members = groupSize(axes), units = granule(axes);
  std::string text = "a multiple of " + std::to_string(units);
  if (units == members)
    return text + ", the size of " + describe(axes);
  if (units == 2 * members)
    return text + ", twice the size of " + describe(axes) + ", over which causal attention is balanced";
  return text + ", which the sizes of " + describe(axes) + " and the balance of causal attention require";
}

ArrayAttr Mesh::nameAttr(MLIRContext *context, ArrayRef<int> axes) const {
  SmallVector<Attribute> attrs;
  for (int axis : axes)
    attrs.push_back(StringAttr::get(context, names[axis]));
  return ArrayAttr::get(context, attrs);
}

std::optional<Mesh> dist::findMesh(Operation *inModule) {
  for (Operation &op : inModule->getRegion(0).getOps())
    if (auto mesh = dyn_cast<MeshOp>(op))
      return Mesh::of(mesh);
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Sharding
//===----------------------------------------------------------------------===//

Sharding Sharding::whole(int64_t rank) {
  Sharding sharding;
  sharding.dims.resize(rank);
  return sharding;
}

bool Sharding::isWhole() const {
  return partial.empty() && llvm::all_of(dims, [](const Axes &axes) { return axes.empty(); });
}

Sharding Sharding::complete() const {
  Sharding result = *this;
  result.partial.clear();
  result.kind = ReduceKind::Sum;
  return result;
}

bool Sharding::uses(int axis) const { return llvm::is_contained(partial, axis) || dimOf(axis) >= 0; }

int Sharding::dimOf(int axis) const {
  for (auto [dim, axes] : llvm::enumerate(dims))
    if (llvm::is_contained(axes, axis))
      return static_cast<int>(dim);
  return -1;
}

void Sharding::addPartial(int axis) { partial.insert(std::lower_bound(partial.begin(), partial.end(), axis), axis); }

void Sharding::removePartial(ArrayRef<int> axes) {
  llvm::erase_if(partial, [&](int axis) { return llvm::is_contained(axes, axis); });
  if (partial.empty())
    kind = ReduceKind::Sum;
}

bool Sharding::operator==(const Sharding &other) const {
  return dims == other.dims && partial == other.partial && kind == other.kind;
}

static int compare(ArrayRef<int> a, ArrayRef<int> b) {
  if (std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end()))
    return -1;
  return a == b ? 0 : 1;
}

bool Sharding::operator<(const Sharding &other) const {
  if (dims.size() != other.dims.size())
    return dims.size() < other.dims.size();
  for (auto [a, b] : llvm::zip(dims, other.dims))
    if (int order = compare(a, b))
      return order < 0;
  if (int order = compare(partial, other.partial))
    return order < 0;
  return kind < other.kind;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

std::optional<Sharding> dist::shardingOf(Type type, const Mesh &mesh) {
  auto tensor = cast<RankedTensorType>(type);
  Sharding sharding = Sharding::whole(tensor.getRank());
  auto attr = dyn_cast_or_null<ShardAttr>(tensor.getEncoding());
  if (!attr)
    return sharding;
  auto read = [&](ArrayAttr names, Axes &axes) {
    for (StringAttr name : names.getAsRange<StringAttr>()) {
      std::optional<int> axis = mesh.find(name.getValue());
      if (!axis)
        return false;
      axes.push_back(*axis);
    }
    return true;
  };
  for (auto [names, axes] : llvm::zip(attr.getDims().getAsRange<ArrayAttr>(), sharding.dims))
    if (!read(names, axes))
      return std::nullopt;
  if (!read(attr.getPartial(), sharding.partial))
    return std::nullopt;
  llvm::sort(sharding.partial);
  sharding.kind = sharding.partial.empty() ? ReduceKind::Sum : attr.getKind();
  return sharding;
}

ShardAttr dist::shardAttr(MLIRContext *context, const Sharding &sharding, const Mesh &mesh) {
  SmallVector<Attribute> dims;
  for (const Axes &axes : sharding.dims)
    dims.push_back(mesh.nameAttr(context, axes));
  return ShardAttr::get(context, FlatSymbolRefAttr::get(context, mesh.symbol), ArrayAttr::get(context, dims),
                        mesh.nameAttr(context, sharding.partial), sharding.kind);
}

RankedTensorType dist::withSharding(Type type, const Sharding &sharding, const Mesh &mesh) {
  auto tensor = cast<RankedTensorType>(type);
  if (mesh.empty())
    return withoutEncoding(type);
  return RankedTensorType::get(tensor.getShape(), tensor.getElementType(),
                               shardAttr(type.getContext(), sharding, mesh));
}

RankedTensorType dist::withoutEncoding(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return RankedTensorType::get(tensor.getShape(), tensor.getElementType());
}

bool dist::divides(const Sharding &sharding, ArrayRef<int64_t> shape, const Mesh &mesh) {
  for (auto [axes, size] : llvm::zip(sharding.dims, shape))
    if (size % mesh.granule(axes) != 0)
      return false;
  return true;
}

SmallVector<int64_t> dist::localShape(ArrayRef<int64_t> shape, const Sharding &sharding, const Mesh &mesh) {
  SmallVector<int64_t> local;
  for (auto [axes, size] : llvm::zip(sharding.dims, shape))
    local.push_back(size / mesh.groupSize(axes));
  return local;
}

int64_t dist::localElements(ArrayRef<int64_t> shape, const Sharding &sharding, const Mesh &mesh) {
  int64_t n = 1;
  for (int64_t size : localShape(shape, sharding, mesh))
    n *= size;
  return n;
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

/// Removes `axes` from the minor end of a dim.
static bool dropMinor(Axes &dim, ArrayRef<int> axes) {
  if (ArrayRef<int>(dim).take_back(axes.size()) != axes)
    return false;
  dim.resize(dim.size() - axes.size());
  return true;
}

/// Whether `axes` are distinct and none is in use.
static bool areFree(const Sharding &sharding, ArrayRef<int> axes) {
  return llvm::none_of(axes, [&](int axis) { return sharding.uses(axis); });
}

static bool arePartial(const Sharding &sharding, ArrayRef<int> axes) {
  return llvm::all_of(axes, [&](int axis) { return llvm::is_contained(sharding.partial, axis); });
}

std::optional<Sharding> dist::apply(const Step &step, const Sharding &input) {
  Sharding result = input;
  auto inRange = [&](int dim) { return dim >= 0 && dim < static_cast<int>(input.dims.size()); };
  switch (step.kind) {
  case StepKind::AllGather:
    if (!inRange(step.dim) || !dropMinor(result.dims[step.dim], step.axes))
      return std::nullopt;
    return result;
  case StepKind::AllSlice:
    if (!inRange(step.dim) || !areFree(input, step.axes))
      return std::nullopt;
    llvm::append_range(result.dims[step.dim], step.axes);
    return result;
  case StepKind::AllReduce:
    if (!arePartial(input, step.axes))
      return std::nullopt;
    result.removePartial(step.axes);
    return result;
  case StepKind::ReduceScatter:
    if (!inRange(step.dim) || !arePartial(input, step.axes))
      return std::nullopt;
    result.removePartial(step.axes);
    llvm::append_range(result.dims[step.dim], step.axes);
    return result;
  case StepKind::AllToAll:
    if (!inRange(step.dim) || !inRange(step.from) || step.from == step.dim ||
        !dropMinor(result.dims[step.from], step.axes))
      return std::nullopt;
    llvm::append_range(result.dims[step.dim], step.axes);
    return result;
  case StepKind::Permute:
    // The result is the premise: that parts have equal size is the caller's
    // check, which needs the mesh.
    if (step.result.partial != input.partial || step.result.kind != input.kind)
      return std::nullopt;
    return step.result;
  }
  return std::nullopt;
}

double dist::sentElements(const Step &step, ArrayRef<int64_t> shape, const Sharding &input, const Mesh &mesh) {
  double part = static_cast<double>(localElements(shape, input, mesh));
  double n = static_cast<double>(mesh.groupSize(step.axes));
  switch (step.kind) {
  case StepKind::AllGather:
    return (n - 1) * part;
  case StepKind::AllSlice:
    return 0;
  case StepKind::AllReduce:
    return 2 * (n - 1) * part / n; // exact wherever a part divides
  case StepKind::ReduceScatter:
  case StepKind::AllToAll:
    return (n - 1) * part / n;
  case StepKind::Permute:
    return part;
  }
  return 0;
}

namespace {
/// Where an axis cuts: the dim, and how many parts each of its parts is cut
/// into by more minor axes.
struct Place {
  int dim = -1;
  int64_t stride = 0;
  bool operator!=(const Place &other) const { return dim != other.dim || stride != other.stride; }
};
} // namespace

static SmallVector<Place> placesOf(const Sharding &sharding, const Mesh &mesh) {
  SmallVector<Place> places(mesh.rank());
  for (auto [dim, axes] : llvm::enumerate(sharding.dims)) {
    int64_t stride = 1;
    for (int axis : llvm::reverse(axes)) {
      places[axis] = {static_cast<int>(dim), stride};
      stride *= mesh.sizes[axis];
    }
  }
  return places;
}

Axes dist::permutedAxes(const Sharding &from, const Sharding &to, const Mesh &mesh) {
  SmallVector<Place> before = placesOf(from, mesh), after = placesOf(to, mesh);
  Axes axes;
  for (int axis = 0; axis < mesh.rank(); ++axis)
    if (before[axis] != after[axis])
      axes.push_back(axis);
  return axes;
}

/// For each member of the group over `axes`, the number of the part that it holds, as far as the axes decide it: a
/// mixed-radix number of its place in each dim, of which there are `counts`.
static std::vector<int64_t> partsOfMembers(const Sharding &sharding, ArrayRef<int> axes, ArrayRef<int64_t> counts,
                                           const Mesh &mesh) {
  SmallVector<Place> places = placesOf(sharding, mesh);
  SmallVector<int64_t> weights(counts.size(), 1);
  for (size_t dim = 1; dim < counts.size(); ++dim)
    weights[dim] = weights[dim - 1] * counts[dim - 1];
  std::vector<int64_t> parts(mesh.groupSize(axes));
  for (auto [member, part] : llvm::enumerate(parts)) {
    int64_t rest = static_cast<int64_t>(member);
    for (int axis : llvm::reverse(axes)) {
      int64_t coordinate = rest % mesh.sizes[axis];
      rest /= mesh.sizes[axis];
      if (places[axis].dim >= 0)
        part += coordinate * places[axis].stride * weights[places[axis].dim];
    }
  }
  return parts;
}

SmallVector<int64_t> dist::permuteSources(const Sharding &from, const Sharding &to, ArrayRef<int> axes,
                                          const Mesh &mesh) {
  SmallVector<int64_t> counts;
  for (auto [before, after] : llvm::zip(from.dims, to.dims))
    counts.push_back(std::max(mesh.groupSize(before), mesh.groupSize(after)));
  std::vector<int64_t> held = partsOfMembers(from, axes, counts, mesh), wanted = partsOfMembers(to, axes, counts, mesh);
  int64_t n = static_cast<int64_t>(held.size());
  SmallVector<int64_t> sources(n, -1);
  // Of each part, those that hold it and do not keep it: the first, and after each the next.
  constexpr int64_t none = -1;
  llvm::DenseMap<int64_t, int64_t> first(static_cast<unsigned>(n));
  std::vector<int64_t> next(n, none);
  for (int64_t member = n - 1; member >= 0; --member) {
    if (held[member] == wanted[member]) {
      sources[member] = member;
      continue;
    }
    auto [it, fresh] = first.try_emplace(held[member], member);
    if (!fresh)
      next[member] = std::exchange(it->second, member);
  }
  for (int64_t member = 0; member < n; ++member) {
    if (sources[member] >= 0)
      continue;
    auto it = first.find(wanted[member]);
    if (it == first.end() || it->second == none)
      return {};
    sources[member] = std::exchange(it->second, next[it->second]);
  }
  return sources;
}
