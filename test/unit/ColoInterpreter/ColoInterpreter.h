//===- ColoInterpreter.h - what a colo program means -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A reference interpreter of the colo dialect, written from the ops'
// descriptions alone: it shares no code with adjoints, decompositions, scalar
// bodies or kernels, and so can judge them. High-level ops are computed by
// their definitions.
//
// All elements are doubles, ids and masks too. Values of type f32 are rounded
// after every op, sums at their end. An op that it does not know ends the
// process: a test harness has no user.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_COLOINTERPRETER_H
#define COLO_TEST_COLOINTERPRETER_H

#include "colo/Dialect/Colo/ColoDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include <map>
#include <string>
#include <vector>

namespace colo::test {

using Shape = llvm::SmallVector<int64_t, 6>;

struct Tensor {
  Shape shape;
  std::vector<double> data; ///< row-major

  Tensor() = default;
  explicit Tensor(llvm::ArrayRef<int64_t> shape, double value = 0.0);
  int64_t size() const { return static_cast<int64_t>(data.size()); }
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  double &operator[](int64_t i) { return data[i]; }
  double operator[](int64_t i) const { return data[i]; }
};

/// The coordinates of element `i` of a tensor of this shape, and back.
Shape unravel(int64_t i, llvm::ArrayRef<int64_t> shape);
int64_t ravel(llvm::ArrayRef<int64_t> coordinates, llvm::ArrayRef<int64_t> shape);

/// A rank's place on one mesh axis, for programs with `positions`.
struct AxisPlace {
  int64_t index, size;
};

/// What a program reads besides its inputs, and what it adds to.
struct Machine {
  std::map<std::string, Tensor> parameters; ///< by symbol; of layers > 1, stacked
  std::map<int64_t, double> inverseCounts;  ///< by term
  std::map<std::string, AxisPlace> axes;
  uint64_t seed = 0;
  uint32_t step = 0;
  int64_t firstRow = 0; ///< global row of this micro-batch's row 0

  std::map<std::string, double> metrics;
  std::map<std::string, Tensor> gradients; ///< like parameters
  std::map<int64_t, double> counts;        ///< by term
};

class Interpreter {
public:
  Interpreter(mlir::ModuleOp module, Machine &machine) : symbols(module), machine(machine) {}

  /// Runs the function with this role on the model's inputs.
  void runRole(llvm::StringRef role, llvm::ArrayRef<Tensor> inputs);

private:
  /// The parameter behind an argument: its symbol and, if stacked, its layer.
  struct Parameter {
    std::string symbol;
    int64_t layer = -1;
  };
  struct Frame {
    llvm::DenseMap<mlir::Value, Tensor> values;
    llvm::DenseMap<mlir::Value, Parameter> parameters;
    int64_t layer = 0; ///< the number of this execution of the function
  };

  std::vector<Tensor> call(mlir::func::FuncOp func, llvm::ArrayRef<Tensor> inputs, mlir::ArrayAttr parameters,
                           int64_t slice, int64_t layer);
  void execute(mlir::Operation *op, Frame &frame);
  void executeCall(CallOp op, Frame &frame);
  void executeLayers(LayersOp op, Frame &frame);
  Tensor load(const Parameter &parameter);
  void accumulate(const Parameter &parameter, const Tensor &gradient);

  mlir::SymbolTable symbols;
  Machine &machine;
};

/// The results of an op without effects.
std::vector<Tensor> evaluate(mlir::Operation *op, llvm::ArrayRef<Tensor> operands, const Machine &machine,
                             int64_t layer);

/// The global position of local element `j` of dim `dim`, by the attribute `positions` if there is one.
int64_t globalPosition(mlir::ArrayAttr positions, int64_t dim, int64_t j, int64_t localSize, const Machine &machine);
/// x or 0 for the element of the positioned shape, as colo.dropout says.
double dropOut(double x, double rate, int64_t id, mlir::ArrayAttr positions, llvm::ArrayRef<int64_t> coordinates,
               llvm::ArrayRef<int64_t> shape, const Machine &machine, int64_t layer);

/// The three families of ops; false if `op` is of another.
bool evaluateElementwise(mlir::Operation *op, llvm::ArrayRef<Tensor> operands, std::vector<Tensor> &results);
bool evaluateStructural(mlir::Operation *op, llvm::ArrayRef<Tensor> operands, std::vector<Tensor> &results,
                        const Machine &machine, int64_t layer);
bool evaluateHighLevel(mlir::Operation *op, llvm::ArrayRef<Tensor> operands, std::vector<Tensor> &results,
                       const Machine &machine, int64_t layer);

/// An empty tensor of a value's shape.
Tensor emptyLike(mlir::Value value);

} // namespace colo::test

#endif // COLO_TEST_COLOINTERPRETER_H
