//===- Keys.cpp - reading and checking the values of keys -----------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Keys.h.
//
//===----------------------------------------------------------------------===//

#include "Keys.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace llvm;

namespace colo::config {

static constexpr int64_t maxCount = int64_t(1) << 48;

const Item *Resolver::find(StringRef key) const {
  auto it = scope.find(key);
  return it == scope.end() || it->second.item.value.isPoison() ? nullptr : &it->second.item;
}

bool Resolver::require(StringRef feature, SMRange where, const Twine &what, const Twine &instead) {
  if (supported.feature(feature))
    return true;
  error(where, what + " is not supported yet; " + instead);
  return false;
}

const Dict *readDict(Resolver &resolver, const Item &item, StringRef path, ArrayRef<StringRef> legal, StringRef example,
                     bool &unknown) {
  unknown = false;
  const Dict *dict = item.value.asDict();
  if (!dict) {
    if (!item.value.isPoison())
      resolver.error(item.range, describe(path, item.value) + "; it must be a dict, such as " + example);
    return nullptr;
  }
  for (const Entry &entry : dict->entries) {
    const std::string *name = entry.key.asString();
    if (name && (legal.empty() || is_contained(legal, StringRef(*name))))
      continue;
    unknown = true;
    resolver.error(entry.keyRange, "unknown key " + (name ? "'" + *name + "'" : repr(entry.key, 60)) + " in '" + path +
                                       "'" + (name ? didYouMean(*name, legal) : std::string()) +
                                       (legal.empty() ? "; keys are names" : "; legal keys: ") +
                                       joinNames(legal, "and"));
  }
  return dict;
}

const Item *findKey(const Dict &dict, StringRef key) {
  const Entry *entry = dict.find(key);
  return entry && !entry->item.value.isPoison() ? &entry->item : nullptr;
}

std::string describe(StringRef path, const Value &value) {
  std::string type = value.isNone() ? std::string() : (" (" + value.typeName() + ")").str();
  return path.str() + " is " + repr(value, 60) + type;
}

bool readCount(Resolver &resolver, const Item &item, StringRef path, int64_t minimum, Sourced<int64_t> &result) {
  const int64_t *count = item.value.asInt();
  if (count && *count >= minimum && *count <= maxCount) {
    result = {*count, item.range.Start};
    return true;
  }
  if (!item.value.isPoison())
    resolver.error(item.range, describe(path, item.value) + "; it must be an integer of at least " + Twine(minimum) +
                                   (count && *count > maxCount ? " and at most 2**48" : ""));
  return false;
}

bool readReal(Resolver &resolver, const Item &item, StringRef path, Sourced<double> &result) {
  std::optional<double> number = item.value.asBool() ? std::nullopt : item.value.toFloat();
  if (number && *number >= 0 && std::isfinite(*number)) {
    result = {*number, item.range.Start};
    return true;
  }
  if (!item.value.isPoison())
    resolver.error(item.range, describe(path, item.value) + "; it must be a finite number of at least 0");
  return false;
}

bool readRate(Resolver &resolver, const Item &item, StringRef path, Sourced<double> &result) {
  std::optional<double> number = item.value.asBool() ? std::nullopt : item.value.toFloat();
  if (number && *number >= 0 && *number < 1) {
    result = {*number, item.range.Start};
    return true;
  }
  if (!item.value.isPoison())
    resolver.error(item.range, describe(path, item.value) + "; it must be a number of at least 0 and below 1");
  return false;
}

bool readBool(Resolver &resolver, const Item &item, StringRef path, Sourced<bool> &result) {
  if (const bool *boolean = item.value.asBool()) {
    result = {*boolean, item.range.Start};
    return true;
  }
  if (!item.value.isPoison())
    resolver.error(item.range, describe(path, item.value) + "; it must be True or False");
  return false;
}

StringRef nameIn(const Value &value) {
  const std::string *string = value.asString();
  const Symbol *symbol = value.asSymbol();
  return string ? StringRef(*string) : symbol ? symbol->last() : StringRef();
}

bool readName(Resolver &resolver, const Item &item, StringRef path, ArrayRef<StringRef> legal,
              Sourced<std::string> &result, StringRef more) {
  if (item.value.isPoison())
    return false;
  StringRef name = nameIn(item.value);
  if (is_contained(legal, name)) {
    result = {name.str(), item.range.Start};
    return true;
  }
  std::string names =
      more.empty() ? joinNames(legal, "or", /*quote=*/true) : "'" + join(legal, "', '") + "'" + more.str();
  resolver.error(item.range, describe(path, item.value) + "; it must be " + names + didYouMean(name, legal));
  return false;
}

} // namespace colo::config
