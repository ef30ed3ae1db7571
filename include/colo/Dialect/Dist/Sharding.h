//===- Sharding.h - shardings as numbers, and steps between them -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The algebra of the dist dialect without IR: meshes and shardings with axes as
// indices, the collectives that lead from one sharding to another, and the
// cheapest sequence of them. Everything here is a value.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_DIST_SHARDING_H
#define COLO_DIALECT_DIST_SHARDING_H

#include "colo/Dialect/Dist/DistDialect.h"
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace colo::dist {

/// The dim of a tensor that has a factor, or -1.
int64_t dimOfFactor(const TensorFactors &dims, int factor);

/// Axes as indices into a mesh; where order matters, major to minor.
using Axes = llvm::SmallVector<int, 2>;

/// The axes of the ranks of one tensor group, major to minor.
///
/// What an axis cuts is given to its n members in equal parts. They are
/// contiguous, or, of a zigzag axis, two blocks of 2n: member i holds block i
/// and, after it, block 2n-1-i. All members of a causal ring then have the same
/// work (Brandon et al., 2311.09431). Axes more minor cut a member's part as it lies.
struct Mesh {
  std::string symbol = "mesh";
  std::vector<std::string> names;
  std::vector<int64_t> sizes;
  Axes zigzag;

  static Mesh of(MeshOp op);

  int rank() const { return static_cast<int>(sizes.size()); }
  bool empty() const { return sizes.empty(); }
  /// Number of members of a group over `axes`.
  int64_t groupSize(llvm::ArrayRef<int> axes) const;
  bool isZigzag(int axis) const { return llvm::is_contained(zigzag, axis); }
  /// The least number of which a dim must be a multiple to be cut over `axes`, major to minor.
  int64_t granule(llvm::ArrayRef<int> axes) const;
  /// Of a dim cut over `axes` into blocks of equal size, the blocks that member 0 holds, in the order in which it holds
  /// them, then those of member 1, and so on; all have equally many. Empty if parts are contiguous.
  llvm::SmallVector<int64_t> blocks(llvm::ArrayRef<int> axes) const;
  /// Index of a name, or nullopt.
  std::optional<int> find(llvm::StringRef name) const;
  /// For messages: mesh axis "a", or mesh axes "a", "b".
  std::string describe(llvm::ArrayRef<int> axes) const;
  /// For messages: a multiple of 4, the size of mesh axis "a".
  std::string describeMultiple(llvm::ArrayRef<int> axes) const;
  mlir::ArrayAttr nameAttr(mlir::MLIRContext *context, llvm::ArrayRef<int> axes) const;
};

/// The mesh of a module, or nullopt if the module has none.
std::optional<Mesh> findMesh(mlir::Operation *inModule);

/// Which axes cut each dim, and over which axes the value is partial (in rising
/// order). All other axes hold copies.
struct Sharding {
  llvm::SmallVector<Axes, 4> dims;
  Axes partial;
  ReduceKind kind = ReduceKind::Sum;

  static Sharding whole(int64_t rank);

  bool isWhole() const;
  bool isPartial() const { return !partial.empty(); }
  /// The same cuts of a complete value.
  Sharding complete() const;
  /// Whether `axis` cuts a dim or is partial.
  bool uses(int axis) const;
  /// The dim that `axis` cuts, or -1.
  int dimOf(int axis) const;
  void addPartial(int axis);
  void removePartial(llvm::ArrayRef<int> axes);

  bool operator==(const Sharding &other) const;
  bool operator!=(const Sharding &other) const { return !(*this == other); }
  bool operator<(const Sharding &other) const;
};

/// Of an encoded type; whole and complete where there is no encoding. Fails on
/// an axis that the mesh does not have.
std::optional<Sharding> shardingOf(mlir::Type type, const Mesh &mesh);
/// The encoding that says `sharding` by the names of `mesh`'s axes.
ShardAttr shardAttr(mlir::MLIRContext *context, const Sharding &sharding, const Mesh &mesh);
/// The type with the sharding as its encoding; without one if the mesh has no axis.
mlir::RankedTensorType withSharding(mlir::Type type, const Sharding &sharding, const Mesh &mesh);
/// The same without a sharding; it is a ranked tensor type.
mlir::RankedTensorType withoutEncoding(mlir::Type type);

/// Whether the dims divide.
bool divides(const Sharding &sharding, llvm::ArrayRef<int64_t> shape, const Mesh &mesh);
/// Shape of each rank's part; every dim divides.
llvm::SmallVector<int64_t> localShape(llvm::ArrayRef<int64_t> shape, const Sharding &sharding, const Mesh &mesh);
/// Elements of each rank's part.
int64_t localElements(llvm::ArrayRef<int64_t> shape, const Sharding &sharding, const Mesh &mesh);

/// The collectives that change a sharding.
enum class StepKind { AllGather, AllSlice, AllReduce, ReduceScatter, AllToAll, Permute };

/// One collective in global form.
struct Step {
  StepKind kind;
  Axes axes;
  int from = -1; ///< all_to_all: the dim that loses the axes
  int dim = -1;  ///< the dim that gains or (all_gather) loses them
  Sharding result;
};

/// The sharding after a collective on `input`, or nullopt if its premises do not hold.
std::optional<Sharding> apply(const Step &step, const Sharding &input);

/// Elements that one rank sends in `step` on a tensor of `shape` under `input`:
/// all_gather (n-1)·part, all_reduce 2(n-1)/n·part, reduce_scatter and
/// all_to_all (n-1)/n·part, permute one part, all_slice nothing.
double sentElements(const Step &step, llvm::ArrayRef<int64_t> shape, const Sharding &input, const Mesh &mesh);

/// The axes whose place differs between two shardings with parts of equal size,
/// in rising order: the group of the permute between them.
Axes permutedAxes(const Sharding &from, const Sharding &to, const Mesh &mesh);
/// Member i of the group over `axes` holds under `to` what member sources[i]
/// holds under `from`; a member that already holds its part keeps it.
llvm::SmallVector<int64_t> permuteSources(const Sharding &from, const Sharding &to, llvm::ArrayRef<int> axes,
                                          const Mesh &mesh);

/// Finds the cheapest sequence of collectives between two shardings.
///
/// The state is a sharding of one tensor. Each step is a collective whose
/// premises hold in the state and whose result divides the shape; its cost is
/// what a rank sends, then the number of steps. A uniform-cost search takes the
/// cheapest open state, so that the first time it takes the target, the path is
/// a shortest one. It ends because a mesh has finitely many shardings of a
/// rank. It finds a path whenever the target divides the shape and is not
/// partial where the source is not: resolve partial axes, gather all, slice.
class ReshardPlanner {
public:
  explicit ReshardPlanner(Mesh mesh) : mesh(std::move(mesh)) {}

  struct Plan {
    std::vector<Step> steps;
    double elements = 0; ///< sent by one rank
  };
  /// nullopt if `to` cannot be reached.
  const std::optional<Plan> &plan(const Sharding &from, const Sharding &to, llvm::ArrayRef<int64_t> shape);

  const Mesh &getMesh() const { return mesh; }

private:
  std::vector<Step> steps(const Sharding &state, const Sharding &target, llvm::ArrayRef<int64_t> shape) const;
  std::optional<Plan> search(const Sharding &from, const Sharding &to, llvm::ArrayRef<int64_t> shape) const;

  using Key = std::tuple<Sharding, Sharding, std::vector<int64_t>>;
  Mesh mesh;
  std::map<Key, std::optional<Plan>> known;
};

} // namespace colo::dist

#endif // COLO_DIALECT_DIST_SHARDING_H
