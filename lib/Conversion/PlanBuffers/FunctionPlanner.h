//===- FunctionPlanner.h - one host function from tensors to memrefs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A host function on memrefs takes its workspace (bytes), the number of the
// current layer execution and the global row of the micro-batch's first row,
// then its tensors, one destination a result, and one gradient buffer for each
// parameter that it has a gradient of. The entry function, the evaluate and the
// count function (those with a role) take the flat parameter and gradient
// buffers instead of single parameters, and whether this is the last
// micro-batch.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_PLANBUFFERS_FUNCTIONPLANNER_H
#define COLO_CONVERSION_PLANBUFFERS_FUNCTIONPLANNER_H

#include "Contraction.h"
#include "ParameterLayout.h"
#include "Places.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"
#include <functional>
#include <map>

namespace colo::dist {
class AllGatherOp;
class AllReduceOp;
class AllSliceOp;
class AllToAllOp;
class BroadcastOp;
class EmptyOp;
class HalfOp;
class LoopOp;
class PartOp;
class PermuteOp;
class ReduceOp;
class ReduceScatterOp;
class UpdatedOp;
class WaitOp;
} // namespace colo::dist

namespace colo {

/// A host function whose body is on memrefs.
struct PlannedFunction {
  mlir::func::FuncOp func;
  int64_t workspaceBytes = 0;
  unsigned inputs = 0, params = 0, results = 0; ///< of the tensor function; inputs without parameters
  llvm::SmallVector<unsigned> gradients;        ///< which parameters have a gradient buffer, rising
  /// For each result the input that it is, if callers keep that where they want the result: it has no destination then.
  llvm::SmallVector<std::optional<unsigned>> kept;
  llvm::DenseSet<unsigned> aligned; ///< which inputs are read as lying at multiples of kLibraryAlignment
};

/// Kernels by layout, parameters by name: what the functions of a module share.
class ModulePlan {
public:
  ModulePlan(mlir::ModuleOp module, int64_t rowAlignment);

  /// Plans a function and its callees, once each. Null after an error.
  PlannedFunction *plan(mlir::func::FuncOp func);
  /// The kernel with these layouts, cloned if it is in use with others.
  mlir::FlatSymbolRefAttr kernelFor(llvm::StringRef name, llvm::ArrayRef<mlir::Attribute> layouts,
                                    llvm::ArrayRef<bool> accumulate);
  /// A kernel that copies a tensor, from one layout to another, or adds it.
  mlir::FlatSymbolRefAttr copyKernel(mlir::MemRefType from, mlir::MemRefType to, bool accumulate);
  /// What a function returns of its inputs and every caller is a run of layers that carries it and stacks it.
  llvm::SmallVector<std::optional<unsigned>> keptInputs(mlir::func::FuncOp func) const;

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  ParameterLayout layout;
  int64_t rowAlignment; ///< bytes, see RowPitch.cpp; 0: rows of temporaries have no gaps

private:
  std::map<std::string, std::unique_ptr<PlannedFunction>> functions;
  std::map<std::string, std::string> kernels, copies;
  llvm::StringMap<llvm::SmallVector<mlir::Operation *, 2>> calls; ///< by function
  int64_t copyCount = 0;
};

/// Whether a value that is joined or cut along `dim` is better stored with `dim` outermost: something stands before it
/// that would come between, and something contiguous remains inside it.
bool isStoredOutermost(llvm::ArrayRef<int64_t> shape, int64_t dim);

/// Letters of an einsum's tensor whose dims lie in memory in this order.
std::string inOrder(llvm::StringRef letters, llvm::ArrayRef<int64_t> order);
/// `letters` with those that `order` holds too in the order that they have there.
std::string reorderLetters(llvm::StringRef letters, llvm::StringRef order);

/// Memory of what a product does beside its sums; null where there is none.
struct ProductEpilogue {
  mlir::Value bias, addend, sums, aux;
  rt::ActivationAttr activation;
  bool summed = false;     ///< sums are of the right operand
  bool accumulate = false; ///< the product is added to what is there
};

class FunctionPlanner {
public:
  FunctionPlanner(ModulePlan &plan, mlir::func::FuncOp source, PlannedFunction &result);
  mlir::LogicalResult run();

private:
  // Function and values.
  void createTarget();
  void bindArguments();
  /// Whether the op that makes a value writes it into a place of the planner's choice.
  static bool isFreshResult(mlir::Value value);
  void claimResults();
  void claimStacks();
  mlir::LogicalResult planOp(mlir::Operation *op);
  mlir::LogicalResult planView(mlir::Operation *op);
  mlir::LogicalResult planLaunch(rt::LaunchOp op);
  mlir::LogicalResult planEinsum(EinsumOp op);
  ProductEpilogue planEpilogue(EinsumOp op, const GemmShape &shape, const Place &target, bool accumulate);
  void finishEpilogue(EinsumOp op);
  mlir::LogicalResult planCall(CallOp op);
  mlir::LogicalResult planLayers(LayersOp op);
  mlir::LogicalResult planCollective(mlir::Operation *op);
  mlir::LogicalResult planGrad(GradOp op);
  mlir::LogicalResult planReturn(mlir::func::ReturnOp op);
  mlir::LogicalResult planScalar(mlir::Operation *op);

  // Memory.
  /// The sum to which a value is the first contribution: what the last op makes that adds to it in place.
  static mlir::Value endOfSum(mlir::Value value);
  Root *newTemporary(int64_t bytes);
  Place temporary(llvm::ArrayRef<int64_t> shape, mlir::Type element);
  /// A fresh place for a result: its claimed destination or a temporary.
  Place allocate(mlir::Value result);
  Place fixed(mlir::Value base, mlir::RankedTensorType type);
  const Place &placeOf(mlir::Value tensor);
  mlir::Value use(const Place &place);
  void copy(const Place &from, const Place &to, bool accumulate, mlir::Location loc);
  /// The place itself or a packed copy of it.
  Place contiguous(const Place &place, mlir::Location loc);
  /// Whether it starts at a multiple of kLibraryAlignment, which callers are asked for where it is an input of this
  /// function. Destinations that are a multiple in size lie at one: they are buffers, temporaries and slices of such.
  bool startsAligned(const Place &place);
  /// A value as the callee reads its input number `input`.
  Place argumentFor(const PlannedFunction &callee, unsigned input, mlir::Value value);
  /// A fresh place for what a collective receives: contiguous even where the claimed destination is not.
  Place allocateContiguous(mlir::Value result);
  mlir::RankedTensorType gradientType(mlir::Value param) const;
  Place gradientOf(mlir::Value param);
  /// The gradient that the single use of a value adds to, if it is one.
  std::optional<Place> gradientUse(mlir::Value value);
  /// Layer `layer` of a parameter in the flat buffer `flat`.
  Place parameterPlace(mlir::Value flat, ParamOp param, mlir::Value layer);

  // Order in memory (StorageOrder.cpp): dims from the outermost on, null for row-major.
  using Order = std::optional<llvm::SmallVector<int64_t>>;
  /// What the users of a value would have it stored in.
  Order wantedOrder(mlir::Value value);
  Order orderForUse(mlir::OpOperand &use);
  /// As its users want it, else as an operand is stored.
  Order orderOfResult(rt::LaunchOp op, mlir::Value result);
  Order orderOfResult(EinsumOp op, mlir::Value result);
  /// A fresh place in this order, or its claimed destination.
  Place allocateInOrder(mlir::Value value, const Order &order);

  // Distance of rows (RowPitch.cpp).
  /// These strides without gaps, or with some behind the rows of `value` where that is better.
  Strides withPitch(mlir::Value value, llvm::ArrayRef<int64_t> strides);
  /// Lays a temporary out with these strides.
  static void layOut(Place &place, llvm::ArrayRef<int64_t> strides);

  // Collectives. One with a dist.wait is a flight: it runs on a stream of its own, and what it sends and receives stays
  // where it is until the wait.
  struct Flight {
    int64_t event;
    llvm::SmallVector<Root *, 2> roots;
    std::function<void()> unpack; ///< what remains to be done with what was received, may be null
  };
  void lower(dist::AllReduceOp op);
  void lower(dist::AllGatherOp op);
  void lower(dist::ReduceScatterOp op);
  void lower(dist::AllToAllOp op);
  void lower(dist::PermuteOp op);
  void lower(dist::BroadcastOp op);
  void lower(dist::ReduceOp op);
  void lower(dist::AllSliceOp op);
  void lower(dist::PartOp op);
  void lower(dist::HalfOp op);
  void lower(dist::EmptyOp op);
  void lower(dist::UpdatedOp op);
  mlir::LogicalResult planWait(dist::WaitOp op);
  /// Calls `emit` with the operands and the stream of a collective from one place to another.
  void communicate(mlir::Operation *op, const Place &from, const Place &to,
                   llvm::function_ref<void(mlir::Value, mlir::Value, mlir::IntegerAttr)> emit);
  /// Members of a group over mesh axes.
  int64_t ranksOver(mlir::ArrayAttr axes);
  Place cutLeading(const Place &place, int64_t dim, int64_t ranks);
  void joinLeading(mlir::Operation *op, const Place &from, llvm::ArrayRef<int64_t> block, int64_t dim, int64_t ranks,
                   llvm::function_ref<void(mlir::Value, mlir::Value, mlir::IntegerAttr)> emit);
  /// Whether the only result of a collective that joins `dim` is stored with `dim` outermost.
  bool joinsOutermost(mlir::Operation *op, int64_t dim);

  // Rounds.
  struct CarriedPlace;
  mlir::LogicalResult planLoop(dist::LoopOp op);
  mlir::LogicalResult planRound(dist::LoopOp op, llvm::ArrayRef<CarriedPlace> carried);
  CarriedPlace placeCarried(dist::LoopOp op, unsigned index);
  /// Part `first` + `round` of `dim`, `size` elements long.
  Place partOf(const Place &whole, int64_t dim, int64_t size, int64_t first, mlir::Value round);

  // Layers.
  struct LayerCall;
  std::optional<unsigned> keptStack(LayersOp op, unsigned carried);
  mlir::LogicalResult buildLayerCall(LayerCall &call);
  void passCarried(LayerCall &call);
  void announceGradients(LayersOp op, const PlannedFunction &callee, mlir::Value layer);
  mlir::Value constant(int64_t value);

  ModulePlan &plan;
  mlir::func::FuncOp source;
  PlannedFunction &result;
  mlir::func::FuncOp target;
  mlir::OpBuilder builder;
  mlir::Location loc;
  mlir::Value workspace, layer, firstRow, params, grads;
  llvm::DenseMap<mlir::Value, Place> places;
  llvm::DenseMap<mlir::Value, mlir::Value> scalars;
  llvm::DenseMap<mlir::Value, Place> claimed;   ///< tensors computed in a destination
  llvm::DenseMap<mlir::Value, Place> gradients; ///< of parameter arguments
  llvm::SmallVector<Place> destinations;        ///< of the results
  llvm::DenseMap<mlir::Operation *, Flight> flights;
  llvm::DenseMap<mlir::Value, Order> wantedOrders;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<int64_t>> storedOrders; ///< of values that are not row-major by choice
  std::deque<Root> roots;
  unsigned now = 0;
};

} // namespace colo

#endif // COLO_CONVERSION_PLANBUFFERS_FUNCTIONPLANNER_H
