/** The four counters of a product; `available + held + sold = allotment` after every commit. */
export interface Stock {
  readonly productId: number
  readonly allotment: number
  readonly available: number
  readonly held: number
  readonly sold: number
}
