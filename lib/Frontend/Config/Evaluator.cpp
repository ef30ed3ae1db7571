//===- Evaluator.cpp - expressions of a config into values ----------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Statements, and expressions but for what Access.cpp does. See Evaluator.h.
//
//===----------------------------------------------------------------------===//

#include "EvaluatorImpl.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace colo::config {
MaybeValue Evaluator::finish(Outcome outcome, SMLoc loc) {
  if (!outcome.value)
    return fail(loc, outcome.error);
  if (outcome.value->depth() > SourceLimits::maxNesting)
    return fail(loc, "this value is nested more than " + Twine(SourceLimits::maxNesting) + " deep");
  return outcome.value;
}

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

void Evaluator::run(const Statement &statement) {
  switch (statement.kind) {
  case Statement::ImportNames:
    for (const Import &import : statement.imports)
      if (import.star)
        starImported = true;
      else
        bind(import.name, import.nameRange, {Value(Symbol{import.symbol}), import.nameRange}, /*imported=*/true);
    return;
  case Statement::Evaluate:
    eval(*statement.value);
    return;
  case Statement::Assign: {
    MaybeValue value = eval(*statement.value);
    for (const ExprPtr &target : statement.targets)
      assign(*target, value, statement.value->range);
    return;
  }
  case Statement::Augmented: {
    const Expr &target = *statement.targets[0];
    MaybeValue left = evalName(target);
    MaybeValue right = left ? eval(*statement.value) : std::nullopt;
    if (!right)
      return assign(target, std::nullopt, statement.value->range);
    if (left->isPoison() || right->isPoison())
      return assign(target, Value::poison(), statement.value->range);
    return assign(target, finish(binary(statement.op.spelling, *left, *right), statement.op.loc),
                  statement.value->range);
  }
  }
}

void Evaluator::bind(StringRef name, SMRange nameRange, Item item, bool imported) {
  Binding &binding = scope[name];
  binding.nameRange = nameRange;
  binding.item = std::move(item);
  binding.imported = imported;
}

void Evaluator::assign(const Expr &target, const MaybeValue &value, SMRange valueRange) {
  if (target.kind == ExprKind::Name)
    return bind(target.text, target.range, {value.value_or(Value::poison()), valueRange});
  if (target.kind == ExprKind::Postfix)
    return assignEntry(target, value, valueRange);
  unpack(target, value, valueRange);
}

void Evaluator::unpack(const Expr &target, const MaybeValue &value, SMRange valueRange) {
  const Sequence *sequence = value ? value->asSequence() : nullptr;
  bool fits = sequence && sequence->items.size() == target.arguments.size();
  if (value && !value->isPoison() && !fits)
    diagnostics.error(valueRange.Start,
                      sequence ? Twine(target.arguments.size()) + " names, but " + Twine(sequence->items.size()) +
                                     (sequence->items.size() == 1 ? " value" : " values")
                               : Twine(value->aType()) + " cannot be unpacked into " + Twine(target.arguments.size()) +
                                     " names; a tuple or a list can");
  for (size_t i = 0; i < target.arguments.size(); ++i)
    if (fits)
      assign(*target.arguments[i].value, sequence->items[i].value, sequence->items[i].range);
    else
      assign(*target.arguments[i].value, std::nullopt, valueRange);
}

void Evaluator::assignEntry(const Expr &target, const MaybeValue &value, SMRange valueRange) {
  const Expr &root = *target.operands[0];
  MaybeValue base = evalName(root);
  MaybeValue result;
  if (base && value && !base->isPoison() && !value->isPoison())
    // The scope and `base` hold it; one more holder is another name.
    result = updated(*base, /*expectedUses=*/2, target, 0, {*value, valueRange});
  Binding &binding = scope[root.text];
  binding.item.value = result.value_or(Value::poison());
}

/// `container` with the entry that trailers `at`… of `target` name replaced.
MaybeValue Evaluator::updated(const Value &container, long expectedUses, const Expr &target, size_t at,
                              const Item &item) {
  const Trailer &trailer = target.trailers[at];
  const Dict *dict = container.asDict();
  if (!dict)
    return fail(trailer.range.Start, "entries of a dict can be set, not those of " + container.aType());
  if (container.useCount() > expectedUses)
    return fail(trailer.range.Start, "this dict is known by another name too and would change there as well; write "
                                     "the entry where the dict is made");
  MaybeValue key = trailer.kind == Trailer::Attribute ? Value(trailer.name.str()) : eval(*trailer.index);
  if (!key || key->isPoison())
    return key;
  if (!isHashable(*key))
    return fail(trailer.range.Start, Twine(key->aType()) + " cannot be a key");
  Item replacement = item;
  if (at + 1 < target.trailers.size()) {
    MaybeValue inner = index(container, *key, trailer.range);
    if (!inner)
      return std::nullopt;
    MaybeValue innerUpdated = updated(*inner, /*expectedUses=*/2, target, at + 1, item);
    if (!innerUpdated)
      return std::nullopt;
    replacement = {*innerUpdated, dict->lookup(*key)->item.range};
  }
  Dict copy = *dict;
  copy.set({*key, trailer.range, std::move(replacement)});
  return checkedDepth(std::move(copy), trailer.range);
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

MaybeValue Evaluator::eval(const Expr &expr) {
  switch (expr.kind) {
  case ExprKind::None:
    return Value();
  case ExprKind::Bool:
    return Value(expr.boolean);
  case ExprKind::Integer:
    return Value(expr.integer);
  case ExprKind::Float:
    return Value(expr.real);
  case ExprKind::String:
    return Value(expr.string);
  case ExprKind::Format: {
    std::optional<std::string> text = evalFormat(expr.parts);
    return text ? MaybeValue(Value(std::move(*text))) : std::nullopt;
  }
  case ExprKind::Name:
    return evalName(expr);
  case ExprKind::Tuple:
  case ExprKind::List:
    return evalSequence(expr);
  case ExprKind::Dict:
    return evalDict(expr);
  case ExprKind::Postfix:
    return evalPostfix(expr);
  case ExprKind::Prefix:
    return evalPrefix(expr.operators, eval(*expr.operands[0]));
  case ExprKind::Chain:
    return evalChain(expr);
  case ExprKind::Power:
    return evalPower(expr);
  case ExprKind::Compare:
    return evalCompare(expr);
  case ExprKind::And:
  case ExprKind::Or:
    return evalLogical(expr);
  case ExprKind::Conditional:
    return evalConditional(expr);
  }
  llvm_unreachable("unknown kind of expression");
}

MaybeValue Evaluator::evalName(const Expr &expr, bool isCalled) {
  auto it = scope.find(expr.text);
  if (it != scope.end()) {
    it->second.read = true;
    return it->second.item.value;
  }
  if (starImported || isBuiltin(expr.text))
    return Value(Symbol{expr.text.str()});
  if (isCalled) {
    std::vector<StringRef> functions = builtinNames();
    return fail(expr.range.Start, "'" + expr.text + "()' is not evaluated; the functions of a config are " +
                                      joinNames(functions) + ", and those of math" + didYouMean(expr.text, functions));
  }
  std::vector<StringRef> known = {"dict", "list", "tuple", "True", "False", "None"};
  for (const auto &binding : scope)
    known.push_back(binding.first);
  std::string hint = didYouMean(expr.text, known);
  if (hint.empty() && isUpper(expr.text.front()))
    hint = "; names of the original are imported first, as in from colossalai.amp import AMP_TYPE";
  return fail(expr.range.Start, "'" + expr.text + "' is not defined" + hint);
}

MaybeValue Evaluator::evalSequence(const Expr &expr) {
  Sequence sequence;
  sequence.tuple = expr.kind == ExprKind::Tuple;
  if (!evalPlainArguments(expr.arguments, sequence.items))
    return std::nullopt;
  return checkedDepth(std::move(sequence), expr.range);
}

bool Evaluator::evalPlainArguments(ArrayRef<Argument> arguments, std::vector<Item> &items) {
  for (const Argument &argument : arguments) {
    if (argument.kind == Argument::Star) {
      if (!spread(argument, items))
        return false;
      continue;
    }
    MaybeValue value = eval(*argument.value);
    if (!value)
      return false;
    items.push_back({std::move(*value), argument.value->range});
  }
  return true;
}

bool Evaluator::spread(const Argument &argument, std::vector<Item> &items) {
  MaybeValue value = eval(*argument.value);
  if (!value)
    return false;
  const Sequence *sequence = value->asSequence();
  if (sequence && items.size() + sequence->items.size() <= maxSequenceItems)
    items.insert(items.end(), sequence->items.begin(), sequence->items.end());
  else if (value->isPoison())
    items.push_back({*value, argument.value->range});
  else
    fail(argument.nameRange.Start, sequence ? "more than " + Twine(maxSequenceItems) + " values"
                                            : "'*' spreads a list or a tuple, not " + value->aType());
  return value->isPoison() || sequence;
}

MaybeValue Evaluator::evalDict(const Expr &expr) {
  Dict dict;
  if (!evalEntries(expr.arguments, /*isCall=*/false, dict))
    return std::nullopt;
  return checkedDepth(std::move(dict), expr.range);
}

bool Evaluator::setEntry(Dict &dict, Entry entry, bool unique) {
  if (!isHashable(entry.key)) {
    fail(entry.keyRange.Start, Twine(entry.key.aType()) + " cannot be a key");
    return false;
  }
  if (const Entry *earlier = unique ? dict.lookup(entry.key) : nullptr) {
    fail(entry.keyRange.Start, "the key " + repr(entry.key, 60) + " is given twice",
         DiagnosticNote{earlier->keyRange.Start, "given here before"});
    return false;
  }
  dict.set(std::move(entry));
  return true;
}

bool Evaluator::evalEntries(ArrayRef<Argument> arguments, bool isCall, Dict &dict) {
  for (const Argument &argument : arguments) {
    if (isCall && argument.kind != Argument::Keyword && argument.kind != Argument::DoubleStar) {
      fail(argument.value->range.Start, "dict() takes name=value, or '**' and a dict");
      return false;
    }
    MaybeValue key = argument.kind == Argument::Keyword ? Value(argument.name.str())
                     : argument.key                     ? eval(*argument.key)
                                                        : Value();
    MaybeValue value = key ? eval(*argument.value) : std::nullopt;
    if (!value)
      return false;
    if (argument.kind != Argument::DoubleStar) {
      if (!key->isPoison() && !setEntry(dict, {*key, argument.nameRange, {*value, argument.value->range}}, true))
        return false;
      continue;
    }
    const Dict *source = value->asDict();
    if (!source && !value->isPoison()) {
      fail(argument.nameRange.Start, "'**' spreads a dict, not " + value->aType());
      return false;
    }
    for (size_t i = 0; source && i < source->entries.size(); ++i)
      if (!setEntry(dict, source->entries[i], isCall))
        return false;
  }
  return true;
}

MaybeValue Evaluator::evalChain(const Expr &expr) {
  MaybeValue left = eval(*expr.operands[0]);
  for (size_t i = 0; left && i < expr.operators.size(); ++i) {
    MaybeValue right = eval(*expr.operands[i + 1]);
    if (!right)
      return std::nullopt;
    if (left->isPoison() || right->isPoison())
      left = Value::poison();
    else
      left = finish(binary(expr.operators[i].spelling, *left, *right), expr.operators[i].loc);
  }
  return left;
}

MaybeValue Evaluator::evalPower(const Expr &expr) {
  size_t last = expr.operands.size() - 1;
  MaybeValue right = evalPrefix(expr.exponentSigns[last], eval(*expr.operands[last]));
  for (size_t i = last; right && i-- > 0;) {
    MaybeValue left = eval(*expr.operands[i]);
    if (!left)
      return std::nullopt;
    if (left->isPoison() || right->isPoison())
      right = Value::poison();
    else
      right = finish(binary("**", *left, *right), expr.operators[i].loc);
    // The signs before an exponent apply to all that is raised to the right.
    right = evalPrefix(expr.exponentSigns[i], std::move(right));
  }
  return right;
}

MaybeValue Evaluator::evalPrefix(const std::vector<Operator> &operators, MaybeValue operand) {
  for (const Operator &op : reverse(operators)) {
    if (!operand || operand->isPoison())
      return operand;
    operand = finish(unary(op.spelling, *operand), op.loc);
  }
  return operand;
}

MaybeValue Evaluator::evalCompare(const Expr &expr) {
  MaybeValue left = eval(*expr.operands[0]);
  for (size_t i = 0; left && i < expr.operators.size(); ++i) {
    MaybeValue right = eval(*expr.operands[i + 1]);
    if (!right || left->isPoison() || right->isPoison())
      return right ? MaybeValue(Value::poison()) : std::nullopt;
    MaybeValue holds = finish(compare(expr.operators[i].spelling, *left, *right), expr.operators[i].loc);
    if (!holds || holds->asSymbol() || !holds->truth())
      return holds;
    left = std::move(right);
  }
  return left ? MaybeValue(Value(true)) : std::nullopt;
}

MaybeValue Evaluator::evalLogical(const Expr &expr) {
  MaybeValue value;
  for (const ExprPtr &operand : expr.operands) {
    value = eval(*operand);
    // An unknown value decides nothing, so the result is unknown as well.
    if (!value || value->isPoison() || value->asSymbol() || value->truth() == (expr.kind == ExprKind::Or))
      return value;
  }
  return value;
}

MaybeValue Evaluator::evalConditional(const Expr &expr) {
  for (size_t i = 0; i + 2 < expr.operands.size(); i += 2) {
    MaybeValue condition = eval(*expr.operands[i + 1]);
    if (!condition || condition->isPoison())
      return condition;
    if (condition->asSymbol())
      return Value(Symbol{"(... if " + repr(*condition, 60) + ")"});
    if (condition->truth())
      return eval(*expr.operands[i]);
  }
  return eval(*expr.operands.back());
}

std::optional<std::string> Evaluator::evalFormat(ArrayRef<FormatPart> parts) {
  std::string text;
  for (const FormatPart &part : parts) {
    text += part.text;
    if (!part.value)
      continue;
    MaybeValue value = eval(*part.value);
    std::optional<std::string> spec = value ? evalFormat(part.spec) : std::nullopt;
    if (!spec)
      return std::nullopt;
    if (part.conversion)
      value = Value(part.conversion == 's' ? str(*value, maxStringBytes) : repr(*value, maxStringBytes));
    MaybeValue formatted = finish(formatValue(*value, *spec), part.value->range.Start);
    if (!formatted)
      return std::nullopt;
    text += *formatted->asString();
    if (text.size() > maxStringBytes)
      return fail(part.value->range.Start, "a string of more than " + Twine(maxStringBytes) + " bytes");
  }
  return text;
}

Scope evaluate(const Module &module, Diagnostics &diagnostics) {
  Evaluator evaluator(diagnostics);
  for (const Statement &statement : module)
    evaluator.run(statement);
  return evaluator.takeScope();
}

} // namespace colo::config
