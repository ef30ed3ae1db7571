//===- Access.cpp - attributes, subscripts and calls ----------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What follows a name: `.entry` of a dict, `.name` of an import, `[index]`,
// `[a:b]`, calls. A call of an imported name is not made: its arguments are
// evaluated and its result is a symbol.
//
//===----------------------------------------------------------------------===//

#include "EvaluatorImpl.h"

using namespace llvm;

namespace colo::config {

MaybeValue Evaluator::evalPostfix(const Expr &expr) {
  const Expr &root = *expr.operands[0];
  bool isCall = !expr.trailers.empty() && expr.trailers.front().kind == Trailer::Call;
  MaybeValue value = root.kind == ExprKind::Name ? evalName(root, isCall) : eval(root);
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
  return fail(trailer.range.Start, Twine(base.aType()) + " has no '" + trailer.name + "' here");
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
    return fail(range.Start, Twine(base.aType()) + " has no elements");
  std::optional<int64_t> position = key.toInteger();
  if (!position)
    return fail(range.Start, "the index of " + base.aType() + " is an int, not " + key.aType());
  int64_t size = sequence ? sequence->items.size() : string->size();
  int64_t at = *position < 0 ? *position + size : *position;
  if (at < 0 || at >= size)
    return fail(range.Start, "index " + Twine(*position) + " of " + base.aType() + " of " + Twine(size));
  return sequence ? sequence->items[at].value : Value(std::string(1, (*string)[at]));
}

MaybeValue Evaluator::slice(const Value &base, const Trailer &trailer) {
  const Sequence *sequence = base.asSequence();
  const std::string *string = base.asString();
  if (!sequence && !string)
    return fail(trailer.range.Start, Twine(base.aType()) + " cannot be sliced");
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
      return fail(trailer.slice[i]->range.Start, "the bounds of a slice are ints, not " + bound->aType());
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
    return fail(calleeRange.Start, Twine(callee.aType()) + " cannot be called");
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
  return fail(method.range.Start, "'." + method.name + "()' of " + base.aType() +
                                      " is not evaluated; '.get()' and '.copy()' of a dict, '.lower()' and "
                                      "'.upper()' of a str are");
}

} // namespace colo::config
