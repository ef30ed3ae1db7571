//===- Policy.h - what a parallel mode decides ------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A parallel mode is a mesh and a few preferences; everything else follows from
// the ops' factor maps. One file in lib/Dialect/Dist/Policies/ per mode, listed
// in Registry.cpp; nothing else knows the name of a mode. docs/sharding.md says
// how the engine asks.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_DIST_POLICY_H
#define COLO_DIALECT_DIST_POLICY_H

#include "colo/Dialect/Dist/Modes.h"
#include "colo/Dialect/Dist/Sharding.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <memory>

namespace colo::dist {

/// What the user's config says about the tensor group.
struct ShardingOptions {
  std::string mode = "none";
  int64_t size = 1;  ///< ranks of the tensor group
  int64_t depth = 1; ///< modes with a depth
  bool sequenceParallel = false;
  /// A second mode over more ranks, which divides sequences; its axes are major. Empty: the default.
  std::string sequenceMode;
  int64_t sequenceSize = 1;
  /// The largest number that divides the key and value heads of every attention whose query heads share them; 0
  /// without.
  int64_t keyHeads = 0;
  /// How algorithms that stream their operands are computed: `loop`, or `reference`, which gathers them first.
  std::string algorithm = "loop";
  /// Scores of a round of attention at most, unless one sample has more; 0: no limit.
  int64_t scoresOfRound = 0;
  /// The largest heads of which the target has kernels of attention; 0: none.
  int64_t wholeHeadSize = 0;
};

/// The first time that a product or a lookup meets a parameter whose layout is open.
struct ParameterUse {
  const FactorMap &map;
  unsigned operand; ///< which operand is the parameter
  llvm::StringRef axis;
  int64_t axisSize;
  /// Whether another operand's current layout cuts `factor` over the axis.
  llvm::function_ref<bool(int factor)> isCutElsewhere;
  /// Whether what follows can work on a cut `factor` of the result: it is not
  /// sliced, joined, normalised or otherwise needed whole.
  llvm::function_ref<bool(int factor)> survives;
  /// Into how many parts the axes before this one cut `factor`.
  llvm::function_ref<int64_t(int factor)> partsBefore;
  /// Whether `factor` is heads of keys or values each of which several query heads read.
  llvm::function_ref<bool(int factor)> isSharedHeads;
};

/// What Policy::parameterFactor answers where the parameter is not cut.
enum : int {
  kNoFactor = -1, ///< though it should be: an error
  kRepeat = -2    ///< all ranks of the axis hold the same; see Policy::mayRepeat
};

/// How attention divides its work over an axis that cuts the sequence.
enum class AttentionCut {
  Cheapest, ///< as any other product
  Local,    ///< heads are cut as the products before them have left them: nothing moves
  Heads,    ///< sequences become whole, heads are cut
  Ring      ///< rows and keys stay cut alike, and keys and values go round; the axis is zigzag if any is causal
};

/// Axes by factor of a FactorMap, major to minor.
using FactorAxes = llvm::SmallVector<Axes, 6>;

/// A product or lookup of which one tensor is a parameter or a parameter's gradient.
struct ProductUse {
  const FactorMap &map;
  const Mesh &mesh;
  const TensorFactors &parameter; ///< the dims of the parameter, or of its gradient
  int operand;                    ///< which operand is the parameter; -1: the result is its gradient
  std::optional<FactorAxes> held; ///< how the parameter is kept; nullopt while that is open
  /// How the operands are held when complete; nullopt if open or cut at no boundary of factors.
  llvm::SmallVector<std::optional<FactorAxes>, 2> operands;
  llvm::function_ref<bool(int factor)> survives; ///< as in ParameterUse
  bool isTable;                                  ///< whether a lookup of the same function reads rows of the parameter

  bool isGradient() const { return operand < 0; }
  bool isInParameter(int factor) const;
  /// Of a lookup, the rows of the table: a factor that no other tensor has. Else -1.
  int tableRows() const;
  /// The first factor of the leading dim of the first operand that is no parameter: rows of the batch. -1 if the
  /// parameter has it as well.
  int tokenFactor() const;
  int64_t size(int factor) const { return map.factors[factor].size; }
};

/// How a mode does a product. Axes that cut the parameter but do other work are
/// gathered before it, sums that do not fit the result are scattered after it.
struct ProductPlan {
  FactorAxes parameter; ///< how the parameter is kept; it is cut so if it was open
  FactorAxes work;      ///< how the work is divided
  FactorAxes result;    ///< how the result is held from then on, complete; nothing for a gradient
  /// Whether a product gathers and scatters part by part (dist-expand-summa) rather than at once.
  bool summa = false;
};

/// One tensor mode: its mesh, and the choices that the engine (dist-shard) leaves to modes. It holds no IR and reports
/// nothing; what cannot be cut is an error of the engine's at the op.
class Policy {
public:
  virtual ~Policy();

  /// Axes and sizes, major to minor, so that ranks come out in the order that the mode documents.
  virtual std::vector<std::pair<std::string, int64_t>> axes() const = 0;

  /// The layout of a value that goes from layer to layer, and of its gradient.
  virtual Sharding boundary(llvm::ArrayRef<int64_t> shape, const Mesh &mesh) const = 0;

  /// The layout in which a value that ranks hold as `held`, complete, goes to another pipeline rank. It is `held`
  /// again where it arrives.
  virtual Sharding transit(llvm::ArrayRef<int64_t> shape, const Sharding &held, const Mesh &mesh) const;

  /// The dim over which a value that is partial over `axis` is scattered where
  /// it must become complete, or -1 to reduce it on all ranks.
  virtual int scatterDim(llvm::ArrayRef<int64_t> shape, llvm::StringRef axis) const = 0;

  /// Whether products and lookups divide their work over `axis` by cutting
  /// parameters, which then never move, rather than activations.
  virtual bool cutsParameters(llvm::StringRef axis) const = 0;

  /// The factor of the parameter to cut, or kNoFactor or kRepeat.
  virtual int parameterFactor(const ParameterUse &use) const = 0;

  /// Whether a product whose parameter `axis` does not cut is done alike by all ranks of the axis. Gradients of keys
  /// and values that are made so stay partial over it as long as ops are linear in them.
  virtual bool mayRepeat(llvm::StringRef axis) const;

  /// How attention divides its work over `axis`.
  virtual AttentionCut attentionCut(llvm::StringRef axis) const;

  /// Fixes a product or lookup as a whole. Where it does not, the engine asks
  /// cutsParameters and parameterFactor for each axis, and searches.
  virtual std::optional<ProductPlan> planProduct(const ProductUse &) const { return std::nullopt; }

  /// Vocabularies and classes are padded to a multiple of this.
  virtual int64_t vocabularyShards() const = 0;

  /// What it was made from.
  const ShardingOptions &getOptions() const { return options; }

private:
  friend std::unique_ptr<Policy> makePolicy(const ShardingOptions &options);
  ShardingOptions options;
};

/// Which of a product's output factors to cut: of those that what follows can
/// work on the first that fits the ranks. If what follows needs all of them whole,
/// the first that fits; the result is then gathered after the product. If none
/// fits the first, for the message. kNoFactor if there is none. One of size 1
/// is none unless it fits.
int chooseOutputFactor(const FactorMap &map, llvm::ArrayRef<int> outputs, llvm::function_ref<bool(int factor)> fits,
                       llvm::function_ref<bool(int factor)> survives);

/// Comma-separated, for messages.
std::string supportedModes();
/// Null if a mode is not supported.
std::unique_ptr<Policy> makePolicy(const ShardingOptions &options);
/// The policy's axes without those of size 1, which cut nothing. Rings are zigzag where attention is causal.
Mesh makeMesh(const Policy &policy, bool hasCausalAttention = false);

/// Two modes at once, each over its own axes; neither fixes products as a whole.
std::unique_ptr<Policy> composePolicies(std::unique_ptr<Policy> major, std::unique_ptr<Policy> minor);

/// For messages and tables: the mode and what the config says of it besides sizes, and of the sequence beside it.
std::string describe(const ShardingOptions &options);
/// The tensor groups whose size divides `world`: by mode in the order of the registry, those with a sequence beside
/// them last, then by size. A group of one rank is there once, without a mode.
std::vector<ShardingOptions> tensorGroups(int64_t world);
/// All of them, rising.
std::vector<int64_t> divisorsOf(int64_t n);
/// The tensor groups that differ from `options` in size alone, rising: one for each divisor of `dim`, which is the
/// length of the axes that grow with the size. Other groups of the mode cut no dim of that size evenly.
std::vector<ShardingOptions> resizedGroups(const ShardingOptions &options, int64_t dim);
/// The same with other sequence sizes.
std::vector<ShardingOptions> resizedSequences(const ShardingOptions &options, int64_t dim);
/// For messages: at most 16 of the numbers, "1, 2, 3".
std::string joinNumbers(llvm::ArrayRef<int64_t> numbers);
/// Whether the axis is that of the sequence beside the tensor mode.
bool isSequenceAxis(llvm::StringRef axis, const ShardingOptions &options);
/// For messages: which sizes of the tensor group or of the sequence beside it are legal for a dim, the other staying as
/// it is, "tensor sizes of mode '2d' that divide it: 1, 4, 9"; where none is, which pairs are.
std::vector<std::string> describeLegalGroups(int64_t dim, const ShardingOptions &options, bool resizeTensor,
                                             bool resizeSequence,
                                             llvm::function_ref<bool(const ShardingOptions &)> isLegal);
/// The same where legal is with what the axes so named cut a dim of `size` evenly.
std::string describeSizesThatDivide(int64_t size, llvm::ArrayRef<std::string> axes, const ShardingOptions &options);

/// A mode: what it asks of the config, and how its policy is made.
struct Mode {
  ModeDescription description;
  std::unique_ptr<Policy> (*make)(const ShardingOptions &);
};

/// Each defined in the file of its name, and listed in Registry.cpp.
extern const Mode kNoneMode, kOneDMode, kTwoDMode, kTwoHalfDMode, kThreeDMode, kSequenceMode, kUlyssesMode;

} // namespace colo::dist

#endif // COLO_DIALECT_DIST_POLICY_H
