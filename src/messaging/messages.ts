import { z } from 'zod'
import { limits } from '../domain/limits.ts'
import { refusals } from '../domain/refusal.ts'
import { reservationStatuses, type AddToCartOutcome } from '../domain/reservation.ts'

/** The schemas of all messages. API nodes, consumers and cron meet only in this folder. */

const timestamp = z.int().min(0).max(limits.timestampMsMax)
const uuid = z.string().length(36)
const rowId = z.int().positive()
const nodeId = z.string().regex(/^[a-zA-Z0-9_-]{1,32}$/)

const addToCartSchema = z.strictObject({
  requestId: uuid,
  userId: rowId,
  /** Names the user beside `userId`, which a restored copy may have given to another user. */
  userUid: z.string().length(32),
  /** The request's own id when the shopper sent none. */
  idempotencyKey: z.string().min(1).max(limits.idempotencyKeyLengthMax),
  flashSaleId: rowId,
  productId: rowId,
  quantity: z.int().min(1).max(limits.quantityMax),
  /** The API node that holds the shopper's request open. */
  nodeId,
  sentAt: timestamp,
})
export type AddToCart = z.infer<typeof addToCartSchema>

const reservationSchema = z.strictObject({
  id: uuid,
  productId: rowId,
  quantity: z.int().min(1).max(limits.quantityMax),
  unitPriceMinor: z.int().min(0).max(limits.priceMinorMax),
  currency: z.string().length(3),
  status: z.enum(reservationStatuses),
  expiresAt: timestamp,
})

const outcomeSchema: z.ZodType<AddToCartOutcome> = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('held'),
    reservation: reservationSchema,
    replayed: z.boolean(),
  }),
  z.strictObject({ kind: z.literal('refused'), refusal: z.enum(refusals) }),
])

const addToCartResultSchema = z.strictObject({
  outcomes: z.array(z.strictObject({ requestId: uuid, outcome: outcomeSchema })).max(10_000),
  /** The worker that sends it, and when, by its clock. */
  nodeId: nodeId.optional(),
  sentAt: timestamp.optional(),
})
export type AddToCartResult = z.infer<typeof addToCartResultSchema>

const stockReleasedSchema = z.strictObject({ productIds: z.array(rowId).min(1).max(10_000) })
export type StockReleased = z.infer<typeof stockReleasedSchema>

export const messageSchemas = {
  add_to_cart: addToCartSchema,
  add_to_cart_result: addToCartResultSchema,
  stock_released: stockReleasedSchema,
}
export type MessageType = keyof typeof messageSchemas
export interface MessageBodies {
  add_to_cart: AddToCart
  add_to_cart_result: AddToCartResult
  stock_released: StockReleased
}

const productIdField = Buffer.from('"productId":')
const digit = { zero: 48, nine: 57, comma: 44 }

/**
 * Tells whether the body is a request for another product, without parsing it. With a channel per
 * product each consumer sees the requests of the whole sale, so this runs for every one of them. It
 * returns false for a truncated or garbled body, so that the caller parses, counts and parks it.
 */
export function isForOtherProduct(body: Buffer, productId: number): boolean {
  const field = body.indexOf(productIdField)
  if (field === -1) return false
  let found = 0
  let at = field + productIdField.length
  for (let byte = body[at]; isDigit(byte); byte = body[at]) {
    found = found * 10 + (byte - digit.zero)
    at += 1
  }
  return body[at] === digit.comma && found !== productId
}

function isDigit(byte: number | undefined): byte is number {
  return byte !== undefined && byte >= digit.zero && byte <= digit.nine
}
