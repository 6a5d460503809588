/** Something that always holds, and did not. */
export interface Violation {
  /** As docs/guarantees.md numbers them, or a word for what has no number. */
  readonly invariant: string
  readonly what: string
}
