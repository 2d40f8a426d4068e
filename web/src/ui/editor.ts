// The editor of code: CodeMirror, to read in. Loaded when code is first shown.

import { json } from "@codemirror/lang-json";
import { python } from "@codemirror/lang-python";
import { foldGutter, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { MergeView, unifiedMergeView } from "@codemirror/merge";
import { EditorState, type Extension } from "@codemirror/state";
import { Decoration, EditorView, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

/** Narrower, two texts stand below each other, line by line. */
const LEAST_BESIDE_PX = 560;
const UNCHANGED = { margin: 3, minSize: 6 };

export interface Shown {
  text: string;
  before?: string | undefined;
  line: number;
  language: "python" | "json";
  label: string;
}

const COLOURS = HighlightStyle.define([
  { tag: [tags.keyword, tags.controlKeyword, tags.operatorKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-text)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: tags.comment, color: "var(--code-quiet)", fontStyle: "italic" },
  { tag: [tags.function(tags.definition(tags.variableName)), tags.className], color: "var(--code-name)" },
  { tag: [tags.meta, tags.annotation], color: "var(--code-number)" },
  { tag: tags.propertyName, color: "var(--code-name)" },
]);

const LOOK = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "transparent", fontSize: "12.5px" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-gutters": { color: "var(--code-quiet)", backgroundColor: "var(--raised)", border: "none" },
  ".cm-marked": { backgroundColor: "var(--failed-ground)" },
  ".cm-changedLine, &.cm-merge-b .cm-changedLine": { backgroundColor: "var(--code-added)" },
  "&.cm-merge-a .cm-changedLine": { backgroundColor: "var(--code-removed)" },
  "&.cm-merge-b .cm-changedText": { background: "var(--code-added-text)" },
  "&.cm-merge-a .cm-changedText": { background: "var(--code-removed-text)" },
  ".cm-changedText": { background: "var(--code-added-text)" },
  ".cm-deletedChunk": { backgroundColor: "var(--code-removed)" },
  ".cm-deletedChunk .cm-deletedText": { background: "var(--code-removed-text)" },
  ".cm-collapsedLines": { color: "var(--text)", background: "var(--sunken)" },
});

/** Show it in place of what the tree holds; what is returned takes it away. */
export function show(root: ShadowRoot, shown: Shown): () => void {
  root.replaceChildren();
  const { before } = shown;
  const isNarrow = root.host.parentElement!.clientWidth < LEAST_BESIDE_PX;
  if (before !== undefined && !isNarrow) {
    const view = new MergeView({
      a: { doc: before, extensions: extensions(shown, `${shown.label}, before`) },
      b: { doc: shown.text, extensions: extensions(shown, `${shown.label}, after`) },
      root,
      parent: root,
      highlightChanges: true,
      gutter: true,
      collapseUnchanged: UNCHANGED,
    });
    return () => view.destroy();
  }
  const changes =
    before === undefined
      ? []
      : [unifiedMergeView({ original: before, mergeControls: false, collapseUnchanged: UNCHANGED })];
  const state = EditorState.create({
    doc: shown.text,
    extensions: [...extensions(shown, shown.label), ...changes],
  });
  const view = new EditorView({ state, root, parent: root });
  if (shown.line > 0 && shown.line <= state.doc.lines) {
    const { from } = state.doc.line(shown.line);
    view.dispatch({ effects: EditorView.scrollIntoView(from, { y: "center" }) });
  }
  return () => view.destroy();
}

function extensions(shown: Shown, label: string): Extension[] {
  const marked =
    shown.line > 0
      ? [
          EditorView.decorations.of((view) => {
            if (shown.line > view.state.doc.lines) return Decoration.none;
            const { from } = view.state.doc.line(shown.line);
            return Decoration.set(Decoration.line({ class: "cm-marked" }).range(from));
          }),
        ]
      : [];
  return [
    lineNumbers(),
    foldGutter(),
    shown.language === "python" ? python() : json(),
    syntaxHighlighting(COLOURS),
    LOOK,
    EditorState.readOnly.of(true),
    EditorView.editable.of(false),
    EditorView.contentAttributes.of({ tabindex: "0", "aria-label": label, "aria-readonly": "true" }),
    ...marked,
  ];
}
