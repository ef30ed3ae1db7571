//===- Strings.cpp - string literals and f-strings ------------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decodes Python's string literals: prefixes, escapes, concatenation of
// neighbours, and the braces of f-strings, whose expressions go through the
// parser again. An f-string inside an f-string needs another kind of quote, so
// this recursion is at most four deep.
//
//===----------------------------------------------------------------------===//

#include "AST.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"

using namespace llvm;

namespace colo::config {
namespace {

class Decoder {
public:
  Decoder(Diagnostics &diagnostics) : diagnostics(diagnostics) {}

  bool literal(StringRef spelled, std::vector<FormatPart> &parts);

private:
  bool text(StringRef body, bool raw, std::string &out);
  bool escape(StringRef body, size_t &at, std::string &out);
  bool codePoint(StringRef body, size_t &at, unsigned digits, std::string &out);
  bool format(StringRef body, bool raw, bool inSpec, size_t &at, std::vector<FormatPart> &parts);
  bool replacement(StringRef body, bool raw, bool inSpec, size_t &at, std::vector<FormatPart> &parts);
  bool error(const char *at, const Twine &message) {
    diagnostics.error(SMLoc::getFromPointer(at), message);
    return false;
  }

  Diagnostics &diagnostics;
};

} // namespace

static void appendText(std::vector<FormatPart> &parts, StringRef text) {
  if (parts.empty() || parts.back().value)
    parts.emplace_back();
  parts.back().text += text;
}

bool Decoder::literal(StringRef spelled, std::vector<FormatPart> &parts) {
  size_t quote = spelled.find_first_of("'\"");
  std::string prefix = spelled.take_front(quote).lower();
  if (StringRef(prefix).contains('b'))
    return error(spelled.begin(), "bytes are not supported; write a string");
  StringRef body = spelled.drop_front(quote);
  size_t width = body.size() >= 6 && body[1] == body[0] && body[2] == body[0] ? 3 : 1;
  body = body.drop_front(width).drop_back(width);
  bool raw = StringRef(prefix).contains('r');
  if (StringRef(prefix).contains('f')) {
    size_t at = 0;
    return format(body, raw, /*inSpec=*/false, at, parts);
  }
  std::string decoded;
  if (!text(body, raw, decoded))
    return false;
  appendText(parts, decoded);
  return true;
}

bool Decoder::text(StringRef body, bool raw, std::string &out) {
  if (raw) {
    out += body;
    return true;
  }
  for (size_t at = 0; at < body.size();)
    if (body[at] != '\\')
      out += body[at++];
    else if (!escape(body, at, out))
      return false;
  return true;
}

bool Decoder::escape(StringRef body, size_t &at, std::string &out) {
  static constexpr StringLiteral letters = "abfnrtv\\'\"", values = "\a\b\f\n\r\t\v\\'\"";
  // Before the brace of an f-string.
  if (at + 1 == body.size()) {
    out += body[at++];
    return true;
  }
  char letter = body[at + 1];
  if (size_t known = letters.find(letter); known != StringRef::npos) {
    out += values[known];
    at += 2;
    return true;
  }
  if (letter == '\n' || letter == '\r') {
    at += body.substr(at).starts_with("\\\r\n") ? 3 : 2;
    return true;
  }
  if (letter == 'x' || letter == 'u' || letter == 'U')
    return codePoint(body, at, letter == 'x' ? 2 : letter == 'u' ? 4 : 8, out);
  if (letter == 'N')
    return error(body.data() + at, "characters by name are not supported; write '\\u' and four hexadecimal digits");
  if (letter >= '0' && letter <= '7') {
    StringRef digits = body.substr(at + 1, 3);
    digits = digits.take_while([](char c) { return c >= '0' && c <= '7'; });
    unsigned value = 0;
    digits.getAsInteger(8, value);
    char buffer[4], *end = buffer;
    ConvertCodePointToUTF8(value, end);
    out.append(buffer, end);
    at += 1 + digits.size();
    return true;
  }
  // As in Python, an unknown escape stands for itself.
  out += '\\';
  ++at;
  return true;
}

bool Decoder::codePoint(StringRef body, size_t &at, unsigned digits, std::string &out) {
  StringRef hex = body.substr(at + 2, digits);
  unsigned value;
  char buffer[4], *end = buffer;
  if (hex.size() != digits || !all_of(hex, isHexDigit) || hex.getAsInteger(16, value) ||
      !ConvertCodePointToUTF8(value, end))
    return error(body.data() + at,
                 "'\\" + Twine(body[at + 1]) + "' wants " + Twine(digits) + " hexadecimal digits of a character");
  out.append(buffer, end);
  at += 2 + digits;
  return true;
}

bool Decoder::format(StringRef body, bool raw, bool inSpec, size_t &at, std::vector<FormatPart> &parts) {
  while (at < body.size()) {
    size_t brace = std::min(body.find_first_of("{}", at), body.size());
    std::string decoded;
    if (!text(body.slice(at, brace), raw, decoded))
      return false;
    appendText(parts, decoded);
    at = brace;
    if (at == body.size())
      break;
    if (body[at] == '}' && inSpec)
      return true;
    if (!inSpec && body.substr(at).starts_with(body[at] == '{' ? "{{" : "}}")) {
      appendText(parts, body.substr(at, 1));
      at += 2;
    } else if (body[at] == '}') {
      return error(body.data() + at, "a single '}' in an f-string; write '}}' for the character");
    } else if (!replacement(body, raw, inSpec, at, parts)) {
      return false;
    }
  }
  return true;
}

/// The end of an f-string's expression: the `!`, `:`, `=` or `}` outside
/// brackets and strings that follows it.
static size_t findExpressionEnd(StringRef body, size_t at) {
  unsigned depth = 0;
  char quote = 0;
  for (; at < body.size(); ++at) {
    char c = body[at];
    char next = at + 1 < body.size() ? body[at + 1] : 0;
    if (quote)
      quote = c == quote ? 0 : quote;
    else if (c == '\'' || c == '"')
      quote = c;
    else if (StringRef("([{").contains(c))
      ++depth;
    else if (depth && StringRef(")]}").contains(c))
      --depth;
    else if (!depth && (c == '}' || c == ':' || (c == '!' && next != '=')))
      break;
    else if (StringRef("=!<>").contains(c) && next == '=')
      ++at;
    else if (!depth && c == '=')
      break;
  }
  return std::min(at, body.size());
}

bool Decoder::replacement(StringRef body, bool raw, bool inSpec, size_t &at, std::vector<FormatPart> &parts) {
  const char *brace = body.data() + at;
  if (inSpec && body.substr(at).starts_with("{{"))
    return error(brace, "braces are nested too deep in this f-string");
  size_t end = findExpressionEnd(body, ++at);
  StringRef inside = body.slice(at, end);
  if (inside.trim().empty())
    return error(brace, "nothing between the braces of this f-string");
  FormatPart part;
  part.value = parseEmbedded(inside, diagnostics);
  if (!part.value)
    return false;
  at = end;
  if (at < body.size() && body[at] == '=') {
    size_t rest = std::min(body.find_first_not_of(" \t", at + 1), body.size());
    appendText(parts, body.slice(inside.data() - body.data(), rest));
    part.conversion = 'r';
    at = rest;
  }
  if (at < body.size() && body[at] == '!') {
    part.conversion = at + 1 < body.size() ? body[at + 1] : 0;
    if (!StringRef("rsa").contains(part.conversion) || !part.conversion)
      return error(body.data() + at, "the conversion of an f-string is '!r', '!s' or '!a'");
    at += 2;
  }
  if (at < body.size() && body[at] == ':') {
    ++at;
    if (inSpec)
      return error(body.data() + at - 1, "braces are nested too deep in this f-string");
    if (!format(body, raw, /*inSpec=*/true, at, part.spec))
      return false;
  }
  if (at >= body.size() || body[at] != '}')
    return error(brace, "this '{' of an f-string is never closed");
  ++at;
  parts.push_back(std::move(part));
  return true;
}

ExprPtr decodeStrings(ArrayRef<StringRef> literals, Diagnostics &diagnostics) {
  Decoder decoder(diagnostics);
  std::vector<FormatPart> parts;
  for (StringRef literal : literals)
    if (!decoder.literal(literal, parts))
      return nullptr;
  SMRange range(SMLoc::getFromPointer(literals.front().begin()), SMLoc::getFromPointer(literals.back().end()));
  bool plain = all_of(parts, [](const FormatPart &part) { return !part.value; });
  auto result = std::make_unique<Expr>(plain ? ExprKind::String : ExprKind::Format, range);
  if (plain)
    for (const FormatPart &part : parts)
      result->string += part.text;
  else
    result->parts = std::move(parts);
  return result;
}

} // namespace colo::config
