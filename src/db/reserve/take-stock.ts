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
 * The units a batch takes of one product: all it may want with one guarded update; what its requests
 * do not use goes back before the transaction ends. When there is not enough for all, request by request.
 */
export class Lot {
  readonly #productId: number
  #wanted: number
  #inHand = 0
  /** The smallest quantity found to be more than what is left. */
  #soldOutFrom = Infinity

  constructor(productId: number, wanted: number) {
    this.#productId = productId
    this.#wanted = wanted
  }

  /** False: not so many are left. */
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
