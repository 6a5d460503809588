import { first, type Script } from '../database.ts'

const takeStock = `
  update stock set available = available - ?, held = held + ?
  where product_id = ? and available >= ?
  returning product_id`
const giveBack = `
  update stock set available = available + ?, held = held - ?
  where product_id = ? and held >= ?
  returning product_id`

/**
 * Takes the units of one product for a batch: one guarded update takes all that its requests may
 * want, and unused units go back before the transaction ends. When there is not enough for all,
 * each request takes its own units.
 */
export class Lot {
  readonly #productId: number
  #wanted: number
  #inHand = 0
  /** The smallest quantity that was not available any more. */
  #soldOutFrom = Infinity

  constructor(productId: number, wanted: number) {
    this.#productId = productId
    this.#wanted = wanted
  }

  /** Takes units. Returns false when fewer are left. */
  *take(quantity: number): Script<boolean> {
    if (this.#wanted > 0) {
      if (yield* this.#takeFromStock(this.#wanted)) this.#inHand = this.#wanted
      this.#wanted = 0
    }
    if (quantity <= this.#inHand) {
      this.#inHand -= quantity
      return true
    }
    return quantity < this.#soldOutFrom && (yield* this.#takeFromStock(quantity))
  }

  *giveBackRest(): Script<void> {
    const rest = this.#inHand
    if (rest === 0) return
    this.#inHand = 0
    const given = yield* first(giveBack, rest, rest, this.#productId, rest)
    if (given === undefined) throw new Error(`product ${this.#productId} holds less than was taken`)
  }

  *#takeFromStock(quantity: number): Script<boolean> {
    const taken = yield* first(takeStock, quantity, quantity, this.#productId, quantity)
    if (taken === undefined) this.#soldOutFrom = quantity
    return taken !== undefined
  }
}
