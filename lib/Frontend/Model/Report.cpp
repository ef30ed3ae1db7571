//===- Report.cpp - places and errors of the importer -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The standard layers are ordinary code, but an error in them is almost always
// about what the user gave them: it is reported where the user's text called
// them.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "mlir/IR/Location.h"

using namespace llvm;

namespace colo::model {

bool Importer::inPrelude(SMLoc loc) const { return loc.isValid() && sources.FindBufferContainingLoc(loc) == preludeId; }

SMLoc Importer::userLoc(SMLoc loc) const {
  if (!inPrelude(loc))
    return loc;
  for (const Frame &frame : reverse(frames))
    if (!inPrelude(frame.callLoc))
      return frame.callLoc;
  return modelLoc;
}

void Importer::fail(SMLoc loc, const Twine &message, ArrayRef<DiagnosticNote> notes) {
  SmallVector<DiagnosticNote> all(notes.begin(), notes.end());
  SMLoc user = userLoc(loc);
  if (user != loc)
    all.push_back({loc, "in the standard layers, here"});
  // How the user's own modules led there, innermost first.
  constexpr size_t maxNotes = 4;
  for (const Frame &frame : reverse(frames)) {
    if (all.size() >= maxNotes)
      break;
    if (frame.isModule && frame.self != model.get() && frame.callLoc != user && !inPrelude(frame.callLoc))
      all.push_back({frame.callLoc, "in module '" + pathOf(frame.self) + "' (" + frame.self->definition->name +
                                        "), called from here"});
  }
  diagnostics.error(user, message, all);
  throw ImportAborted{};
}

SmallVector<DiagnosticNote, 1> Importer::whereSet(const Value &number) const {
  auto *size = number.get<Size>();
  if (size && size->batch && size->text == kBatchName && options.batchLoc.isValid())
    return {{options.batchLoc, "BATCH_SIZE is set here"}};
  auto *real = number.get<Real>();
  StringRef name = size ? StringRef(size->text) : real ? StringRef(real->parameter) : StringRef();
  auto given = options.defines.find(name.str());
  if (given == options.defines.end() || !given->second.loc.isValid())
    return {};
  // A part's own parameter may have the name of one of the Model's.
  if (size && given->second.value != ModelValue(size->value))
    return {};
  return {{given->second.loc, name.str() + " is set here"}};
}

SmallVector<DiagnosticNote, 1> Importer::whereEachSet(ArrayRef<Size> sizes) const {
  SmallVector<DiagnosticNote, 1> notes;
  for (const Size &size : sizes)
    for (const DiagnosticNote &note : whereSet(size))
      if (none_of(notes, [&](const DiagnosticNote &other) { return other.loc == note.loc; }))
        notes.push_back(note);
  return notes;
}

static mlir::Location fileLocation(mlir::MLIRContext &context, SourceMgr &sources, SMLoc loc) {
  unsigned bufferId = sources.FindBufferContainingLoc(loc);
  auto [line, column] = sources.getLineAndColumn(loc, bufferId);
  StringRef file = sources.getMemoryBuffer(bufferId)->getBufferIdentifier();
  return mlir::FileLineColLoc::get(&context, file, line, column);
}

/// "GPT2.h.attn.qkv": without list positions, since the code of a run of layers
/// is shared.
static std::string locationName(const Module *model, const Module *self) {
  std::string name;
  for (; self && self != model; self = self->parent) {
    StringRef own = self->run ? StringRef(self->run->name) : StringRef(self->name);
    name = ("." + own + name).str();
  }
  return model->definition->name + name;
}

mlir::Location Importer::locate(SMLoc loc) {
  const Module *self = model.get();
  for (const Frame &frame : frames)
    if (frame.self)
      self = frame.self;
  SMLoc user = userLoc(loc);
  mlir::Location place = fileLocation(context, sources, user);
  // The user's line first: whoever looks for one file location finds it.
  if (user != loc)
    place = mlir::FusedLoc::get(&context, {place, fileLocation(context, sources, loc)});
  return mlir::NameLoc::get(mlir::StringAttr::get(&context, locationName(model.get(), self)), place);
}

/// Where the user's text made a parameter, or the layer that has it.
SMLoc Importer::userLoc(const Param &param) const {
  SMLoc loc = param.loc;
  for (const Module *module = param.owner; module && inPrelude(loc); module = module->parent)
    loc = module->loc;
  return loc;
}

mlir::Location Importer::locate(const Param &param) {
  return mlir::NameLoc::get(mlir::StringAttr::get(&context, locationName(model.get(), param.owner)),
                            fileLocation(context, sources, userLoc(param)));
}

} // namespace colo::model
