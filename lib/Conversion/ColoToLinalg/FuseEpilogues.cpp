//===- FuseEpilogues.cpp - what products do before they write --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A sum that reads a product which nothing else reads becomes part of the product:
// a vector along the result's last dims, and a tensor of its shape that is in memory
// anyway. The product is then written once, as the sum, where otherwise a kernel
// would read it again. What a product of partial sums gives is read by a collective,
// so nothing is added to it before it is whole. What a collective gives is not added:
// the product can run while it is on its way.
//
// An activation, or its gradient, is done to the product that makes its operand
// (EpilogueOpInterface, ActivationRule). Libraries do not say how exact their
// functions are, so only where a result of 16 bits hides it, but for relu. An
// activation whose argument something else reads, as its gradient does, is fused where
// libraries write the argument, too.
//
// A bias's gradient, the sum of a product's operand over all that the product
// contracts, is made beside the product of the weight's gradient, which reads that
// operand anyway.
//
//===----------------------------------------------------------------------===//

#include "Accesses.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"

namespace colo {
#define GEN_PASS_DEF_FUSEEPILOGUES
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

static bool isReadOutsideKernels(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) { return !isKernelOp(user); });
}

/// Whether a product can read the value without a kernel that is run for this alone, and need not wait for others.
static bool isInMemory(Value value) {
  while (isViewOp(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  if (isa_and_nonnull<dist::CollectiveOpInterface>(value.getDefiningOp()))
    return false;
  return !isKernelOp(value.getDefiningOp()) || isReadOutsideKernels(value);
}

/// Whether a kernel would write the value, because something outside kernels reads it, maybe as a view.
static bool isWrittenAnyway(Value value) {
  return isReadOutsideKernels(value) || llvm::any_of(value.getUsers(), [](Operation *user) {
           return isViewOp(user) && isWrittenAnyway(user->getResult(0));
         });
}

/// Whether `sum` is of operand number `operand` of `product`, over all that is contracted, with what is left in the
/// order that it has in the result. Libraries have that where what is left is contiguous.
static bool isSumOf(ReduceOp sum, EinsumOp product, unsigned operand) {
  EinsumSpec spec = parseEinsumSpec(product.getSpec());
  StringRef letters = operand ? spec.rhs : spec.lhs, other = operand ? spec.lhs : spec.rhs;
  size_t last = 0;
  bool endsContracted = false;
  for (auto [dim, letter] : llvm::enumerate(letters)) {
    size_t place = spec.result.find(letter);
    bool isContracted = place == StringRef::npos;
    endsContracted = sum.getInput().getType().getDimSize(dim) == 1 ? endsContracted : isContracted;
    if (isContracted != llvm::is_contained(sum.getDims(), static_cast<int64_t>(dim)))
      return false;
    if (isContracted)
      continue;
    if (other.contains(letter) || place < last)
      return false;
    last = place;
  }
  Type element = product.getType().getElementType();
  return sum.getKind() == ReduceKind::Sum && getElementTypeOrSelf(sum.getResult()) == element && !endsContracted;
}

/// Of several rows; what is contiguous in the result are whole groups of the eight elements that libraries read and
/// write, and products of a batch lie one behind another.
static bool takesAux(EinsumOp product) {
  RankedTensorType type = product.getType();
  EinsumSpec spec = parseEinsumSpec(product.getSpec());
  int64_t rows = 1, last = 1; // of a packed result
  for (auto [letter, size] : llvm::zip(spec.result, type.getShape())) {
    bool isBatch = spec.lhs.contains(letter) && spec.rhs.contains(letter);
    if (isBatch && size != 1 && rows * last != 1)
      return false;
    if (!isBatch)
      (spec.rhs.contains(letter) ? last : rows) *= size;
  }
  return rows > 1 && type.getShape().back() % 8 == 0 && last % 8 == 0;
}

/// Whether rounding the result hides that libraries' functions are not ours.
static bool takesRule(EinsumOp product, const ActivationRule &rule) {
  Type element = product.getType().getElementType();
  return rule.isExact || element.isBF16() || element.isF16();
}

/// Whether all that reads `sum` may stand behind `product`: it does, or is where a gradient leaves.
static bool canWait(ReduceOp sum, EinsumOp product) {
  return llvm::all_of(sum->getUsers(), [&](Operation *user) {
    return user->getBlock() == product->getBlock() && (product->isBeforeInBlock(user) || isa<GradOp>(user));
  });
}

static SmallVector<StringRef> epilogueNames() {
  SmallVector<StringRef> names;
  for (uint32_t number = 0; number <= getMaxEnumValForEpilogue(); ++number)
    names.push_back(stringifyEpilogue(static_cast<Epilogue>(number)));
  return names;
}

namespace {
struct FuseEpiloguesPass : public colo::impl::FuseEpiloguesBase<FuseEpiloguesPass> {
  using FuseEpiloguesBase::FuseEpiloguesBase;

  LogicalResult initialize(MLIRContext *context) override {
    fused.clear();
    for (StringRef name : epilogues) {
      std::optional<Epilogue> epilogue = symbolizeEpilogue(name);
      if (!epilogue)
        return emitError(UnknownLoc::get(context))
               << "unknown epilogue '" << name << "'; legal are " << llvm::join(epilogueNames(), ", ");
      fused.push_back(*epilogue);
    }
    return success();
  }

  void runOnOperation() override {
    getOperation().walk([&](Block *block) {
      for (auto sum : llvm::make_early_inc_range(block->getOps<AddOp>()))
        if (fuse(sum, sum.getLhs(), sum.getRhs()) || fuse(sum, sum.getRhs(), sum.getLhs()))
          eraseUnread(sum);
      for (auto activation : llvm::make_early_inc_range(block->getOps<EpilogueOpInterface>()))
        fuse(activation);
      if (has(Epilogue::Sums))
        for (auto sum : llvm::make_early_inc_range(block->getOps<ReduceOp>()))
          fuse(sum);
    });
  }

private:
  SmallVector<Epilogue> fused;
  bool has(Epilogue epilogue) { return llvm::is_contained(fused, epilogue); }

  bool fuse(AddOp sum, Value made, Value added) {
    auto product = made.getDefiningOp<EinsumOp>();
    if (!product || product->getBlock() != sum->getBlock() || !made.hasOneUse() || product.getInto() ||
        product.getActivation() || made.getType() != sum.getType())
      return false;
    // Of two products the later one adds the other: that is in memory by then.
    auto other = added.getDefiningOp<EinsumOp>();
    if (other && other->getBlock() == product->getBlock() && product->isBeforeInBlock(other))
      return false;
    Value bias = has(Epilogue::Bias) && !product.getBias() ? biasOf(product, added) : Value();
    if (bias && isInMemory(bias)) {
      moveBehind(product, bias, sum);
      product.getBiasMutable().assign(bias);
    } else if (has(Epilogue::Plus) && !product.getAddend() && added != made && isInMemory(added)) {
      moveBehind(product, added, sum);
      product.getAddendMutable().assign(added);
    } else {
      return false;
    }
    sum.getResult().replaceAllUsesWith(product.getResult());
    return true;
  }

  void fuse(EpilogueOpInterface activation) {
    Value operand = activation.getProductOperand().get();
    auto product = operand.getDefiningOp<EinsumOp>();
    std::optional<Epilogue> epilogue = activation.getEpilogue();
    if (!epilogue || !has(*epilogue) || !product || operand != product.getResult() || product.getInto() ||
        product.getActivation() || product.getSums() || product->getBlock() != activation->getBlock())
      return;
    ActivationRule rule = *activationRule(*epilogue);
    if (takesRule(product, rule))
      rule.readsAux ? fuseReading(activation, product) : fuseLast(activation, product, rule);
  }

  /// Nothing is added to the product then.
  static void fuseReading(EpilogueOpInterface activation, EinsumOp product) {
    Value aux = activation.getOtherOperand();
    if (!product.getResult().hasOneUse() || product->getNumOperands() != 2 || !isInMemory(aux) || !takesAux(product) ||
        aux.getType() != product.getType())
      return;
    Operation *maker = aux.getDefiningOp();
    if (maker && product->isBeforeInBlock(maker))
      product->moveBefore(activation);
    product.getAuxMutable().assign(aux);
    product.setActivation(*activation.getEpilogue());
    activation->getResult(0).replaceAllUsesWith(product.getResult());
    activation->erase();
  }

  /// Done to the sum, which is then written only where something else reads it.
  static void fuseLast(EpilogueOpInterface activation, EinsumOp product, const ActivationRule &rule) {
    bool keeps = !product.getResult().hasOneUse();
    if (!isWrittenAnyway(activation->getResult(0)) || (keeps && !(rule.keepsArgument && takesAux(product))))
      return;
    OpBuilder builder(product);
    auto both = builder.create<EinsumOp>(
        product.getLoc(), product.getType(), Type(), keeps ? product.getType() : Type(), product.getLhs(),
        product.getRhs(), Value(), product.getBias(), product.getAddend(), Value(), product.getSpecAttr(),
        IntegerAttr(), EpilogueAttr::get(product.getContext(), *activation.getEpilogue()));
    activation->getResult(0).replaceAllUsesWith(both.getResult());
    activation->erase();
    if (keeps)
      product.getResult().replaceAllUsesWith(both.getArgument());
    product.erase();
  }

  static void fuse(ReduceOp sum) {
    for (OpOperand &use : sum.getInput().getUses()) {
      auto product = dyn_cast<EinsumOp>(use.getOwner());
      unsigned operand = use.getOperandNumber();
      if (!product || operand > 1 || product.getSums() || product.getBias() || product.getActivation() ||
          product->getBlock() != sum->getBlock() || !isSumOf(sum, product, operand) || !canWait(sum, product))
        continue;
      OpBuilder builder(product);
      auto both = builder.create<EinsumOp>(product.getLoc(), product.getType(), sum.getType(), Type(), product.getLhs(),
                                           product.getRhs(), product.getInto(), Value(), product.getAddend(), Value(),
                                           product.getSpecAttr(), builder.getI64IntegerAttr(operand), EpilogueAttr());
      for (Operation *user : llvm::make_early_inc_range(sum->getUsers()))
        if (user->isBeforeInBlock(both))
          user->moveAfter(both);
      product.getResult().replaceAllUsesWith(both.getResult());
      sum.getResult().replaceAllUsesWith(both.getSums());
      product.erase();
      sum.erase();
      return;
    }
  }

  static void eraseUnread(AddOp sum) {
    Operation *broadcasts[] = {sum.getLhs().getDefiningOp<BroadcastOp>(), sum.getRhs().getDefiningOp<BroadcastOp>()};
    sum.erase();
    for (Operation *broadcast : broadcasts)
      if (broadcast && broadcast->use_empty())
        broadcast->erase();
  }

  /// The product stays where it is unless it has to wait for the value.
  static void moveBehind(EinsumOp product, Value value, AddOp sum) {
    Operation *maker = value.getDefiningOp();
    if (maker && maker->getBlock() == product->getBlock() && product->isBeforeInBlock(maker))
      product->moveBefore(sum);
  }
};
} // namespace
