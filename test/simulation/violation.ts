/** A promise that was broken in a run. */
export interface Violation {
  /** The number in docs/guarantees.md, or a word for a promise without a number. */
  readonly invariant: string
  readonly what: string
}
