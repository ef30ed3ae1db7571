//===- Partitioner.h - the engine that shards a module ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Functions are partitioned in program order, a callee when its first call is
// met. The state is, for each value, one of
//   settled    it has a layout: the sharding in which it is produced. Other
//              layouts of it are reshards right after its definition, one each;
//   open       a parameter, constant, position, or something that is computed
//              from open values element by element: its first user settles it, and
//              a user that wants a computed value otherwise gets a second copy.
// What a function's callers agree on is its signature, fixed when it is met.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_DIST_TRANSFORMS_PARTITIONER_H
#define COLO_LIB_DIALECT_DIST_TRANSFORMS_PARTITIONER_H

#include "Assignment.h"
#include "colo/Dialect/Dist/Policy.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace colo::dist {

class Partitioner {
public:
  Partitioner(mlir::ModuleOp module, Mesh mesh, const Policy &policy)
      : module(module), symbols(module), mesh(mesh), policy(policy), planner(mesh) {}

  /// Shards the whole module. Errors have been reported where it fails.
  mlir::LogicalResult run();

private:
  struct Signature {
    llvm::SmallVector<Sharding> arguments; ///< parameters not included
    llvm::SmallVector<Sharding> results;
    unsigned carried = 0; ///< the first results go to the next layer
    bool isDone = false;
  };
  /// What decides between assignments, the first difference counting.
  struct Cost {
    double flops = 0; ///< of one rank
    double bytes = 0; ///< sent by one rank
    int collectives = 0;
    int uncut = 0; ///< axes left unused
    bool operator<(const Cost &other) const {
      return std::tie(flops, bytes, collectives, uncut) <
             std::tie(other.flops, other.bytes, other.collectives, other.uncut);
    }
  };
  struct Candidate {
    Assignment assignment;
    Cost cost;
    llvm::SmallVector<Sharding> operands, results;
  };
  /// For each axis the factors that it may cut (-1: none).
  using Options = llvm::SmallVector<llvm::SmallVector<int>>;
  /// What a value so many steps from where a question began wants: users that several ways lead to are asked once.
  using KnownLayouts = llvm::DenseMap<std::pair<mlir::Value, int>, std::optional<Sharding>>;
  static constexpr int kFarLayout = 8; ///< no layout is looked for in more steps

  // Functions and calls (Partitioner.cpp).
  mlir::LogicalResult partitionFunction(mlir::func::FuncOp func);
  mlir::LogicalResult partitionReturn(mlir::func::ReturnOp op);
  mlir::LogicalResult partitionCall(mlir::Operation *call);
  mlir::LogicalResult fixSignature(mlir::Operation *call, mlir::func::FuncOp callee);
  mlir::LogicalResult bindParameters(mlir::Operation *call, mlir::func::FuncOp callee, mlir::ArrayAttr names);
  mlir::LogicalResult partitionGrad(GradOp op);
  mlir::LogicalResult partitionOperation(mlir::Operation *op);
  mlir::LogicalResult settleGradients();
  mlir::LogicalResult settleRest();
  void sinkReshards();

  // Values (Values.cpp).
  bool isOpen(mlir::Value value) const;
  bool isOpenComputation(mlir::Operation *op, const FactorMap &map);
  std::optional<Sharding> layoutOf(mlir::Value value);
  Sharding completeLayoutOf(mlir::Value value);
  double bytesToReach(mlir::Value value, const Sharding &sharding, int &collectives);
  void settle(mlir::Value value, const Sharding &sharding);
  mlir::Value inLayout(mlir::Value value, const Sharding &sharding);
  mlir::Value compute(mlir::Operation *op, const Sharding &sharding);
  void moveTo(mlir::Value value, const Sharding &sharding);
  mlir::LogicalResult setOperand(mlir::OpOperand &operand, const Sharding &sharding);
  mlir::FailureOr<Sharding> boundary(mlir::Operation *at, mlir::Type type);

  // What goes to other pipeline ranks (Transit.cpp).
  mlir::LogicalResult partitionTransfer(mlir::Operation *op, const Sharding &held);

  // Choosing (Search.cpp).
  mlir::LogicalResult partitionByFactors(mlir::Operation *op, ShardingRuleOpInterface rule);
  std::optional<Sharding> gradientLayout(mlir::Value value);
  std::optional<Sharding> gradientLayout(mlir::Value value, int depth, KnownLayouts &known);
  std::optional<Sharding> findGradientLayout(mlir::Value value, int depth, KnownLayouts &known);
  std::optional<Sharding> wantedLayout(mlir::Value value);
  std::optional<Sharding> wantedLayout(mlir::Value value, int depth, KnownLayouts &known);
  std::optional<Sharding> findWantedLayout(mlir::Value value, int depth, KnownLayouts &known);
  bool carriesPartials(mlir::Operation *op, const FactorMap &map, Assignment &assignment);
  void carryRepeated(mlir::Operation *op, const FactorMap &map, Options &options, Assignment &start);
  void noteRepeated(mlir::Operation *op, const FactorMap &map, const Assignment &assignment);
  bool survives(mlir::Value value, int dim, llvm::DenseSet<std::pair<mlir::Value, int>> &seen);
  Options optionsOf(mlir::Operation *op, const FactorMap &map, const Assignment &start);
  mlir::FailureOr<int> chooseParameterFactor(mlir::Operation *op, const FactorMap &map, unsigned index, int axis,
                                             const Options &chosen);
  mlir::LogicalResult restrictToParameters(mlir::Operation *op, const FactorMap &map, Options &options);
  mlir::LogicalResult restrictToPin(mlir::Operation *op, const FactorMap &map, Options &options);
  std::optional<Candidate> search(mlir::Operation *op, const FactorMap &map, const Options &options,
                                  const Assignment &start);
  std::optional<Candidate> evaluate(mlir::Operation *op, const FactorMap &map, Assignment assignment,
                                    const Candidate *best = nullptr);
  void orderAxes(mlir::Operation *op, const FactorMap &map, Assignment &assignment);
  /// An error at the op about a size that `axes` do not divide. Its location holds the names of those to blame, by
  /// which the driver finds the config's place: a FusedLoc with an ArrayAttr of strings.
  mlir::InFlightDiagnostic emitMisfit(mlir::Operation *op, int64_t size, llvm::ArrayRef<int> axes) const;
  mlir::InFlightDiagnostic emitIndivisible(mlir::Operation *op, mlir::Value tensor, int64_t dim, int64_t size,
                                           llvm::ArrayRef<int> axes);
  /// The tensor sizes that a config may say with which `axes` cut a dim of `size` evenly.
  std::string describeLegalSizes(int64_t size, llvm::ArrayRef<int> axes) const;

  // Attention (AttentionCuts.cpp).
  bool isSharedHeads(mlir::Value value, int64_t dim);
  mlir::LogicalResult restrictAttention(mlir::Operation *op, const FactorMap &map, Options &options);
  mlir::LogicalResult checkSharedHeads();
  mlir::LogicalResult divideHeads(mlir::Operation *op, const FactorMap &map, Options &options);
  std::optional<Sharding> headsLayout(mlir::Value value, const Sharding &held);
  void bringHome(mlir::Operation *op, const FactorMap &map, Assignment assignment);

  // Products that the mode fixes (Products.cpp).
  mlir::FailureOr<std::optional<ProductPlan>> planProduct(mlir::Operation *op, const FactorMap &map);
  mlir::LogicalResult partitionAsPlanned(mlir::Operation *op, const FactorMap &map, const ProductPlan &plan);
  mlir::LogicalResult checkDivides(mlir::Operation *op, const FactorMap &map, const ProductUse &use,
                                   const ProductPlan &plan);
  void keepParameter(mlir::Value value, Sharding sharding);
  bool factorSurvives(mlir::Operation *op, const FactorMap &map, int factor);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  Mesh mesh;
  const Policy &policy;
  ReshardPlanner planner;
  llvm::DenseMap<mlir::Value, Sharding> layouts;
  llvm::DenseMap<mlir::Value, std::map<Sharding, mlir::Value>> copies;
  llvm::StringMap<Sharding> parameters; ///< by symbol, once settled
  llvm::DenseSet<mlir::Operation *> openComputations;
  llvm::DenseMap<mlir::Value, mlir::Value> originals; ///< of second computations and reshards
  llvm::DenseMap<mlir::Operation *, Signature> signatures;
  llvm::DenseMap<mlir::Value, Sharding> arrivals; ///< of what was sent, the layout that all users but senders see
  llvm::DenseSet<mlir::Value> repeatedSums;       ///< gradients of keys and values, partial over axes that repeat these
};

/// Ops that divide their work by cutting parameters where the mode does.
bool isProductOrLookup(mlir::Operation *op);
/// Whether the model pins the layout of the op's result.
bool isPinned(mlir::Operation *op);
/// Whether the op's result is its operand on another pipeline rank.
bool isSent(mlir::Operation *op);
/// The parameter that a value is a view of, or null.
mlir::Value parameterBehind(mlir::Value value);

} // namespace colo::dist

#endif // COLO_LIB_DIALECT_DIST_TRANSFORMS_PARTITIONER_H
