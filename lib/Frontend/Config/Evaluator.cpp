//===- Evaluator.cpp - expressions of a config into values ----------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Evaluator.h. Every evaluating function returns nullopt after a diagnostic.
//
//===----------------------------------------------------------------------===//

#include "Evaluator.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace colo::config {
namespace {

using MaybeValue = std::optional<Value>;

class Evaluator {
public:
  explicit Evaluator(Diagnostics &diagnostics) : diagnostics(diagnostics) {}

  void run(const Statement &statement);
  Scope takeScope() { return std::move(scope); }

private:
  void assign(const Expr &target, const MaybeValue &value, SMRange valueRange);
  void bind(StringRef name, SMRange nameRange, Item item, bool imported = false);
  void unpack(const Expr &target, const MaybeValue &value, SMRange valueRange);
  void assignEntry(const Expr &target, const MaybeValue &value, SMRange valueRange);
  MaybeValue updated(const Value &container, long expectedUses, const Expr &target, size_t at, const Item &item);

  MaybeValue eval(const Expr &expr);
  MaybeValue evalName(const Expr &expr);
  MaybeValue evalSequence(const Expr &expr);
  MaybeValue evalDict(const Expr &expr);
  MaybeValue evalChain(const Expr &expr);
  MaybeValue evalPower(const Expr &expr);
  MaybeValue evalCompare(const Expr &expr);
  MaybeValue evalLogical(const Expr &expr);
  MaybeValue evalConditional(const Expr &expr);
  MaybeValue evalPrefix(const std::vector<Operator> &operators, MaybeValue operand);
  MaybeValue evalPostfix(const Expr &expr);
  std::optional<std::string> evalFormat(ArrayRef<FormatPart> parts);

  MaybeValue attribute(const Value &base, const Trailer &trailer);
  MaybeValue index(const Value &base, const Value &key, SMRange range);
  MaybeValue slice(const Value &base, const Trailer &trailer);
  MaybeValue call(const Value &callee, const Trailer &trailer, SMRange calleeRange);
  MaybeValue callMethod(const Value &base, const Trailer &method, const Trailer &call);
  bool evalPlainArguments(ArrayRef<Argument> arguments, std::vector<Item> &items);
  bool spread(const Argument &argument, std::vector<Item> &items);
  bool evalEntries(ArrayRef<Argument> arguments, bool isCall, Dict &dict);
  bool setEntry(Dict &dict, Entry entry, bool unique);

  template <typename Container> MaybeValue checkedDepth(Container container, SMRange range);
  MaybeValue finish(Outcome outcome, SMLoc loc);
  std::nullopt_t fail(SMLoc loc, const Twine &message, ArrayRef<DiagnosticNote> notes = {}) {
    diagnostics.error(loc, message, notes);
    return std::nullopt;
  }

  Diagnostics &diagnostics;
  Scope scope;
  bool starImported = false;
};

} // namespace

MaybeValue Evaluator::finish(Outcome outcome, SMLoc loc) {
  if (!outcome.value)
    return fail(loc, outcome.error);
  if (outcome.value->depth() > SourceLimits::maxNesting)
    return fail(loc, "this value is nested more than " + Twine(SourceLimits::maxNesting) + " deep");
  return outcome.value;
}

template <typename Container> MaybeValue Evaluator::checkedDepth(Container container, SMRange range) {
  return finish(Outcome(Value(std::move(container))), range.Start);
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
                               : "a " + value->typeName() + " cannot be unpacked into " +
                                     Twine(target.arguments.size()) + " names; a tuple or a list can");
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
    return fail(trailer.range.Start, "entries of a dict can be set, not those of a " + container.typeName());
  if (container.useCount() > expectedUses)
    return fail(trailer.range.Start, "this dict is known by another name too and would change there as well; write "
                                     "the entry where the dict is made");
  MaybeValue key = trailer.kind == Trailer::Attribute ? Value(trailer.name.str()) : eval(*trailer.index);
  if (!key || key->isPoison())
    return key;
  if (!isHashable(*key))
    return fail(trailer.range.Start, "a " + key->typeName() + " cannot be a key");
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

MaybeValue Evaluator::evalName(const Expr &expr) {
  auto it = scope.find(expr.text);
  if (it != scope.end()) {
    it->second.read = true;
    return it->second.item.value;
  }
  if (starImported || isBuiltin(expr.text))
    return Value(Symbol{expr.text.str()});
  std::vector<StringRef> known = {"dict", "list", "tuple", "True", "False", "None"};
  for (const auto &binding : scope)
    known.push_back(binding.first);
  return fail(expr.range.Start, "'" + expr.text + "' is not defined" + didYouMean(expr.text, known));
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
                                            : "'*' spreads a list or a tuple, not a " + value->typeName());
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
    fail(entry.keyRange.Start, "a " + entry.key.typeName() + " cannot be a key");
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
      fail(argument.nameRange.Start, "'**' spreads a dict, not a " + value->typeName());
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
    if (!holds || !holds->truth())
      return holds;
    left = std::move(right);
  }
  return left ? MaybeValue(Value(true)) : std::nullopt;
}

MaybeValue Evaluator::evalLogical(const Expr &expr) {
  MaybeValue value;
  for (const ExprPtr &operand : expr.operands) {
    value = eval(*operand);
    if (!value || value->isPoison())
      return value;
    if (value->asSymbol())
      return fail(operand->range.Start, "the value of '" + value->asSymbol()->name + "' is not known");
    if (value->truth() == (expr.kind == ExprKind::Or))
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
      return fail(expr.operands[i + 1]->range.Start, "the value of '" + condition->asSymbol()->name + "' is not known");
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

//===----------------------------------------------------------------------===//
// Attributes, subscripts and calls
//===----------------------------------------------------------------------===//

MaybeValue Evaluator::evalPostfix(const Expr &expr) {
  const Expr &root = *expr.operands[0];
  MaybeValue value = eval(root);
  for (size_t i = 0; value && !value->isPoison() && i < expr.trailers.size(); ++i) {
    const Trailer &trailer = expr.trailers[i];
    bool calledNext = i + 1 < expr.trailers.size() && expr.trailers[i + 1].kind == Trailer::Call;
    switch (trailer.kind) {
    case Trailer::Attribute:
      if (calledNext && !value->asSymbol())
        value = callMethod(*value, trailer, expr.trailers[++i]);
      else
        value = attribute(*value, trailer);
      break;
    case Trailer::Call:
      value = call(*value, trailer, root.range);
      break;
    case Trailer::Index: {
      MaybeValue key = eval(*trailer.index);
      value = key && !key->isPoison() ? index(*value, *key, trailer.range) : key;
      break;
    }
    case Trailer::Slice:
      value = slice(*value, trailer);
      break;
    }
  }
  return value;
}

MaybeValue Evaluator::attribute(const Value &base, const Trailer &trailer) {
  if (const Symbol *symbol = base.asSymbol()) {
    std::string name = symbol->name + "." + trailer.name.str();
    if (name.size() > maxStringBytes)
      return fail(trailer.range.Start, "a name of more than " + Twine(maxStringBytes) + " bytes");
    if (MaybeValue constant = builtinConstant(name))
      return constant;
    return Value(Symbol{std::move(name)});
  }
  if (base.asDict())
    return index(base, Value(trailer.name.str()), trailer.range);
  return fail(trailer.range.Start, "a " + base.typeName() + " has no '" + trailer.name + "' here");
}

MaybeValue Evaluator::index(const Value &base, const Value &key, SMRange range) {
  if (const Symbol *symbol = base.asSymbol())
    return Value(Symbol{StringRef(symbol->name).take_front(maxStringBytes).str() + "[...]"});
  if (const Dict *dict = base.asDict()) {
    const Entry *entry = isHashable(key) ? dict->lookup(key) : nullptr;
    if (entry)
      return entry->item.value;
    std::vector<StringRef> names;
    for (const Entry &candidate : dict->entries)
      if (const std::string *name = candidate.key.asString())
        names.push_back(*name);
    return fail(range.Start, "the dict has no key " + repr(key, 60) +
                                 (key.asString() ? didYouMean(*key.asString(), names) : std::string()));
  }
  const Sequence *sequence = base.asSequence();
  const std::string *string = base.asString();
  if (!sequence && !string)
    return fail(range.Start, "a " + base.typeName() + " has no elements");
  std::optional<int64_t> position = key.toInteger();
  if (!position)
    return fail(range.Start, "the index of a " + base.typeName() + " is an int, not a " + key.typeName());
  int64_t size = sequence ? sequence->items.size() : string->size();
  int64_t at = *position < 0 ? *position + size : *position;
  if (at < 0 || at >= size)
    return fail(range.Start, "index " + Twine(*position) + " of a " + base.typeName() + " of " + Twine(size));
  return sequence ? sequence->items[at].value : Value(std::string(1, (*string)[at]));
}

MaybeValue Evaluator::slice(const Value &base, const Trailer &trailer) {
  const Sequence *sequence = base.asSequence();
  const std::string *string = base.asString();
  if (!sequence && !string)
    return fail(trailer.range.Start, "a " + base.typeName() + " cannot be sliced");
  if (trailer.slice[2])
    return fail(trailer.slice[2]->range.Start, "slices have no step here");
  int64_t size = sequence ? sequence->items.size() : string->size();
  int64_t bounds[2] = {0, size};
  for (int i = 0; i < 2; ++i) {
    if (!trailer.slice[i])
      continue;
    MaybeValue bound = eval(*trailer.slice[i]);
    if (!bound || bound->isPoison())
      return bound;
    if (!bound->toInteger())
      return fail(trailer.slice[i]->range.Start, "the bounds of a slice are ints, not a " + bound->typeName());
    int64_t at = *bound->toInteger();
    bounds[i] = std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  }
  bounds[1] = std::max(bounds[0], bounds[1]);
  if (string)
    return Value(string->substr(bounds[0], bounds[1] - bounds[0]));
  Sequence part;
  part.tuple = sequence->tuple;
  part.items.assign(sequence->items.begin() + bounds[0], sequence->items.begin() + bounds[1]);
  return Value(std::move(part));
}

MaybeValue Evaluator::call(const Value &callee, const Trailer &trailer, SMRange calleeRange) {
  const Symbol *symbol = callee.asSymbol();
  if (!symbol)
    return fail(calleeRange.Start, "a " + callee.typeName() + " cannot be called");
  if (symbol->name == "dict" && (trailer.arguments.size() != 1 || trailer.arguments[0].kind != Argument::Plain)) {
    Dict dict;
    if (!evalEntries(trailer.arguments, /*isCall=*/true, dict))
      return std::nullopt;
    return checkedDepth(std::move(dict), trailer.range);
  }
  std::vector<Item> items;
  bool onlyPlain = true;
  for (const Argument &argument : trailer.arguments)
    onlyPlain &= argument.kind == Argument::Plain || argument.kind == Argument::Star;
  if (onlyPlain && !evalPlainArguments(trailer.arguments, items))
    return std::nullopt;
  bool poisoned = any_of(items, [](const Item &item) { return item.value.isPoison(); });
  if (onlyPlain && poisoned)
    return Value::poison();
  if (onlyPlain)
    if (std::optional<Outcome> outcome = callBuiltin(symbol->name, items))
      return finish(std::move(*outcome), trailer.range.Start);
  if (isBuiltin(symbol->name))
    return fail(trailer.range.Start, symbol->name + "() takes plain values here, no names");
  // A call of an imported name: the arguments must make sense, the call is not made.
  if (!onlyPlain)
    for (const Argument &argument : trailer.arguments)
      if (!eval(*argument.value))
        return std::nullopt;
  return Value(Symbol{StringRef(symbol->name).take_front(maxStringBytes).str() + "(...)"});
}

MaybeValue Evaluator::callMethod(const Value &base, const Trailer &method, const Trailer &call) {
  std::vector<Item> items;
  for (const Argument &argument : call.arguments)
    if (argument.kind != Argument::Plain)
      return fail(argument.value->range.Start, "'." + method.name + "()' takes plain values here, no names");
  if (!evalPlainArguments(call.arguments, items))
    return std::nullopt;
  if (any_of(items, [](const Item &item) { return item.value.isPoison(); }))
    return Value::poison();
  const Dict *dict = base.asDict();
  if (dict && method.name == "get" && (items.size() == 1 || items.size() == 2) && isHashable(items[0].value)) {
    if (const Entry *entry = dict->lookup(items[0].value))
      return entry->item.value;
    return items.size() == 2 ? items[1].value : Value();
  }
  if (dict && method.name == "copy" && items.empty())
    return Value(*dict);
  const std::string *string = base.asString();
  if (string && items.empty() && method.name == "lower")
    return Value(StringRef(*string).lower());
  if (string && items.empty() && method.name == "upper")
    return Value(StringRef(*string).upper());
  return fail(method.range.Start, "'." + method.name + "()' of a " + base.typeName() +
                                      " is not evaluated; '.get()' and '.copy()' of a dict, '.lower()' and "
                                      "'.upper()' of a str are");
}

Scope evaluate(const Module &module, Diagnostics &diagnostics) {
  Evaluator evaluator(diagnostics);
  for (const Statement &statement : module)
    evaluator.run(statement);
  return evaluator.takeScope();
}

} // namespace colo::config
