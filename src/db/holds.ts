import { first, run, type Script } from './database.ts'

/**
 * A hold that has just ended. Its caller moves rows out of `held` with a guarded update and passes
 * the returned rows to one of the functions below; rows that another was faster with are not among
 * them.
 */
export interface EndedHold {
  readonly id: string
  readonly productId: number
  readonly quantity: number
}

/** The columns of `returning` that make an `EndedHold`. */
export const endedHoldColumns = `id, product_id as "productId", quantity`

const stockBack = `
  update stock set available = available + ?, held = held - ?
  where product_id = ? and held >= ?
  returning product_id`
const deleteCartDetail = `delete from cart_details where reservation_id = ?`
const insertMovement = `
  insert into stock_movements (product_id, reservation_id, kind, quantity, created_at)
  values (?, ?, ?, ?, ?)`

/** Puts units back to stock: `released` by a person, `expired` by time. Returns their products. */
export function* returnToStock(
  ended: readonly EndedHold[],
  kind: 'released' | 'expired',
  now: number,
): Script<readonly number[]> {
  const quantities = quantityByProduct(ended)
  for (const [productId, quantity] of quantities) {
    const moved = yield* first(stockBack, quantity, quantity, productId, quantity)
    if (moved === undefined) throw new Error(`product ${productId} holds less than was ended`)
  }
  for (const { id, productId, quantity } of ended) {
    yield* run(deleteCartDetail, id)
    yield* run(insertMovement, productId, id, kind, quantity, now)
  }
  return [...quantities.keys()]
}

const stockSold = `
  update stock set held = held - ?, sold = sold + ?
  where product_id = ? and held >= ?
  returning product_id`

/** Moves bought units from `held` to `sold`. */
export function* moveToSold(ended: readonly EndedHold[], now: number): Script<void> {
  for (const [productId, quantity] of quantityByProduct(ended)) {
    const moved = yield* first(stockSold, quantity, quantity, productId, quantity)
    if (moved === undefined) throw new Error(`product ${productId} holds less than was sold`)
  }
  for (const { id, productId, quantity } of ended) {
    yield* run(insertMovement, productId, id, 'sold', quantity, now)
  }
}

/**
 * Sums quantities by product, sorted by product, because every writer of stock rows needs that
 * order.
 */
function quantityByProduct(ended: readonly EndedHold[]): Map<number, number> {
  const quantities = new Map<number, number>()
  for (const { productId, quantity } of [...ended].sort((a, b) => a.productId - b.productId)) {
    quantities.set(productId, (quantities.get(productId) ?? 0) + quantity)
  }
  return quantities
}
