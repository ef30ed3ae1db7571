//===- IntrinsicsLayer.cpp - the functions behind the layers ----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Intrinsics.h"
#include <cmath>

using namespace llvm;

namespace colo::model {
namespace {

Value linear(Intrinsic &call) {
  Tensor x = call.tensor(0), weight = call.floats(1);
  int64_t contracted = call.integer(3, "contracted");
  if (contracted < 1 || contracted > int64_t(weight.rank()))
    call.fail(3, "contracted must be 1 to " + Twine(weight.rank()) + ", the dims of the weight " + weight.describe());
  Tensor product = call.emit.linear(x, weight, contracted);
  if (call.isNone(2))
    return product;
  return call.emit.binary(Operator::Add, product, call.tensor(2));
}

Value embedding(Intrinsic &call) {
  Tensor table = call.floats(0), ids = call.ids(1);
  if (table.rank() < 1)
    call.fail(0, "the table of an embedding has at least one dim");
  for (const Size &dim : table.dims)
    if (dim.batch)
      call.emit.failOnSplit("a lookup in batch rows");
  // The rows 0 to n - 1 are a slice: no lookup, and no scatter for its gradient.
  if (ids.rank() == 1 && ids.value.getDefiningOp<IotaOp>()) {
    if (ids.dims[0].value > table.dims[0].value)
      call.fail(1, "positions up to " + ids.dims[0].describe() + " do not fit in a table of " +
                       table.dims[0].describe() + " rows");
    Dims sizes = table.dims;
    sizes[0] = ids.dims[0];
    SmallVector<int64_t> offsets(table.rank(), 0), strides(table.rank(), 1);
    return call.emit.slice(table, offsets, sizes, strides);
  }
  call.importer.constrainIds(ids, table.dims[0].value, std::nullopt, call.place(1));
  Dims dims = ids.dims;
  dims.append(table.dims.begin() + 1, table.dims.end());
  auto type = call.emit.typeOf(dims, table.elementType());
  return Tensor{call.importer.builder().create<EmbeddingOp>(call.emit.location(), type, table.value, ids.value,
                                                            mlir::ArrayAttr()),
                dims};
}

Value layerNorm(Intrinsic &call) {
  Tensor x = call.floats(0);
  double eps = call.real(1, "eps");
  if (x.rank() == 0 || x.dims.back().batch)
    call.fail(0, "layer_norm() works over the last dim, which must not hold batch rows; this is " + x.describe());
  if (!(eps >= 0))
    call.fail(1, "eps must not be negative");
  Dims statistics(ArrayRef(x.dims).drop_back());
  auto type = call.emit.typeOf(statistics, x.elementType());
  auto op =
      call.importer.builder().create<LayerNormOp>(call.emit.location(), x.type(), type, type, x.value, APFloat(eps));
  return Tensor{op.getResult(), x.dims};
}

void checkAttention(Intrinsic &call, const Tensor &query, const Tensor &key, const Tensor &value) {
  auto show = [&] {
    return "query " + describeShape(query.dims) + ", key " + describeShape(key.dims) + ", value " +
           describeShape(value.dims);
  };
  if (query.rank() != 4 || key.rank() != 4 || value.rank() != 4)
    call.emit.fail("attention() takes [batch, sequence, heads, head size] three times, not " + show());
  for (size_t dim = 0; dim < 4; ++dim)
    if (key.dims[dim].value != value.dims[dim].value)
      call.emit.fail("attention() needs key and value of one shape: " + show());
  if (query.dims[0].value != key.dims[0].value || query.dims[3].value != key.dims[3].value)
    call.emit.fail("attention() needs equal batch and head size in query and key: " + show());
  if (query.dims[2].value % key.dims[2].value)
    call.emit.fail("attention() needs the query's heads to be a multiple of the key's: " + show());
  for (const Tensor *side : {&query, &key, &value})
    for (size_t dim = 0; dim < 4; ++dim)
      if (side->dims[dim].batch != (dim == 0))
        call.emit.failOnSplit("attention() with batch rows elsewhere than in dim 0");
}

/// The keys that may be read, bool [batch, keys]; null for all.
mlir::Value validKeys(Intrinsic &call, size_t i, const Tensor &key) {
  if (call.isNone(i))
    return {};
  Tensor mask = call.tensor(i);
  bool fits = mask.rank() == 2 && mask.elementType().isInteger(1);
  for (size_t dim = 0; fits && dim < 2; ++dim)
    fits = mask.dims[dim].value == key.dims[dim].value && mask.dims[dim].batch == key.dims[dim].batch;
  if (!fits)
    call.fail(i, "the mask of attention() says which keys are valid: bool " +
                     describeShape(ArrayRef(key.dims).take_front(2)) + ", not " + mask.describe());
  return mask.value;
}

Value attention(Intrinsic &call) {
  Tensor query = call.floats(0), key = call.floats(1), value = call.floats(2);
  bool causal = call.flag(3, "causal");
  double rate = call.probability(4, "the rate of dropout");
  checkAttention(call, query, key, value);
  double scale = call.isNone(5) ? 1 / std::sqrt(static_cast<double>(query.dims[3].value)) : call.real(5, "the scale");
  mlir::Value mask = validKeys(call, 6, key);
  int64_t id = rate > 0 ? call.importer.nextRandomId(call.loc) : 0;
  Dims statistics{query.dims[0], query.dims[2], query.dims[1]};
  auto type = call.emit.typeOf(statistics, query.elementType());
  auto op = call.importer.builder().create<AttentionOp>(call.emit.location(), query.type(), type, query.value,
                                                        key.value, value.value, mask, mlir::ValueRange(),
                                                        APFloat(scale), causal, APFloat(rate), id, mlir::ArrayAttr());
  return Tensor{op.getResult(), query.dims};
}

Value checkpoint(Intrinsic &call) {
  auto *module = call.value(0).get<std::shared_ptr<Module>>();
  if (!module)
    call.fail(0, "checkpoint() takes a module, not " + call.value(0).describe());
  return CheckpointValue{*module};
}

/// Checks logits [batch, …, V] against ids [batch, …] and returns V.
int64_t checkTargets(Intrinsic &call, const Tensor &logits, const Tensor &targets) {
  bool fits = logits.rank() == targets.rank() + 1;
  for (size_t i = 0; fits && i < targets.rank(); ++i)
    fits = logits.dims[i].value == targets.dims[i].value && logits.dims[i].batch == targets.dims[i].batch;
  if (!fits)
    call.emit.fail(call.name + "() takes logits [batch, …, classes] and targets [batch, …], but the logits are " +
                   logits.describe() + " and the targets " + targets.describe());
  if (!targets.hasBatch() || logits.dims.back().batch)
    call.emit.fail(call.name + "() needs batch rows in the logits and targets");
  return logits.dims.back().value;
}

Value crossEntropy(Intrinsic &call) {
  Tensor logits = call.floats(0), targets = call.ids(1);
  int64_t ignore = call.integer(2, "ignore_index");
  double smoothing = call.probability(3, "label_smoothing");
  int64_t classes = checkTargets(call, logits, targets);
  call.importer.constrainIds(targets, classes, ignore, call.place(1));
  auto type = call.emit.typeOf(targets.dims, logits.elementType());
  auto op = call.importer.builder().create<CrossEntropyOp>(call.emit.location(), type, type, type, logits.value,
                                                           targets.value, classes, ignore, APFloat(smoothing));
  return call.emit.weightedMean({op.getLosses(), targets.dims}, {op.getWeights(), targets.dims});
}

Value accuracy(Intrinsic &call) {
  Tensor logits = call.floats(0), targets = call.ids(1);
  int64_t ignore = call.integer(2, "ignore_index");
  int64_t classes = checkTargets(call, logits, targets);
  call.importer.constrainIds(targets, classes, ignore, call.place(1));
  auto type = call.emit.typeOf(targets.dims, logits.elementType());
  auto op = call.importer.builder().create<CorrectOp>(call.emit.location(), type, type, logits.value, targets.value,
                                                      classes, ignore);
  return call.emit.weightedMean({op.getCorrect(), targets.dims}, {op.getWeights(), targets.dims});
}

} // namespace

void addLayerIntrinsics(IntrinsicTable &table) {
  table["linear"] = linear;
  table["embedding"] = embedding;
  table["layer_norm"] = layerNorm;
  table["attention"] = attention;
  table["checkpoint"] = checkpoint;
  table["cross_entropy"] = crossEntropy;
  table["accuracy"] = accuracy;
}

} // namespace colo::model
