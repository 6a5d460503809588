import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { limits } from '../domain/limits.ts'
import { refusals } from '../domain/refusal.ts'
import { reservationStatuses, type AddToCartOutcome } from '../domain/reservation.ts'

/**
 * Every message on the wire and every topic and channel name. API nodes, consumers and cron know
 * each other only through this file.
 */

export type AddToCartRouting = 'channel-per-product' | 'topic-per-product'

/** One topic per sale (the channel chooses the product), or one per sale and product. */
export function addToCartTopic(
  routing: AddToCartRouting,
  flashSaleId: number,
  productId: number,
): string {
  switch (routing) {
    case 'channel-per-product':
      return `add_to_cart.sale-${flashSaleId}`
    case 'topic-per-product':
      return `add_to_cart.sale-${flashSaleId}.product-${productId}`
  }
}

export function addToCartChannel(routing: AddToCartRouting, productId: number): string {
  switch (routing) {
    case 'channel-per-product':
      return `product-${productId}`
    case 'topic-per-product':
      return 'reserve'
  }
}

/** The topic of one API node. Ephemeral: it goes when the node goes. */
export const addToCartResultTopic = (nodeId: string): string =>
  `add_to_cart_result.${nodeId}#ephemeral`
export const addToCartResultTopicPrefix = 'add_to_cart_result.'
export const addToCartResultChannel = 'node#ephemeral'

export const stockReleasedTopic = 'stock_released'
/** Every process wants to hear of every release, so each has its own channel. */
export const stockReleasedChannel = (nodeId: string): string => `${nodeId}#ephemeral`

/** Where messages go that nobody could read. Operators look at them with `nsq_tail`. */
export const parkedTopic = 'parked_messages'
export const parkedChannel = 'inspect'

const timestamp = z.int().min(0).max(limits.timestampMsMax)
const uuid = z.string().length(36)
const rowId = z.int().positive()

const addToCartSchema = z.strictObject({
  requestId: uuid,
  userId: rowId,
  /** The request's own id when the shopper sent none. */
  idempotencyKey: z.string().min(1).max(limits.idempotencyKeyLengthMax),
  flashSaleId: rowId,
  productId: rowId,
  quantity: z.int().min(1).max(limits.quantityMax),
  /** The API node that holds the shopper's request open. */
  nodeId: z.string().regex(/^[a-zA-Z0-9_-]{1,32}$/),
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
})
export type AddToCartResult = z.infer<typeof addToCartResultSchema>

const stockReleasedSchema = z.strictObject({ productIds: z.array(rowId).min(1).max(10_000) })
export type StockReleased = z.infer<typeof stockReleasedSchema>

const schemas = {
  add_to_cart: addToCartSchema,
  add_to_cart_result: addToCartResultSchema,
  stock_released: stockReleasedSchema,
}
export type MessageType = keyof typeof schemas
export interface MessageBodies {
  add_to_cart: AddToCart
  add_to_cart_result: AddToCartResult
  stock_released: StockReleased
}

const productIdField = Buffer.from('"productId":')
const digit = { zero: 48, nine: 57, comma: 44 }

/**
 * Whether the body is a request for another product, found out without parsing it: with a channel
 * per product, each consumer sees the requests of the whole sale. What is cut off or garbled there
 * is not, so that somebody counts it.
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

export type UnreadableReason =
  'malformed' | 'unknown_version' | 'unknown_key' | 'bad_signature' | 'bad_content'

export type Opened<T> =
  | { readonly readable: true; readonly message: T }
  | { readonly readable: false; readonly reason: UnreadableReason }

/** Turns messages into bytes and back. What cannot be read is said, never thrown. */
export interface MessageCodec {
  seal<T extends MessageType>(type: T, topic: string, message: MessageBodies[T]): Buffer
  open<T extends MessageType>(type: T, topic: string, body: Buffer): Opened<MessageBodies[T]>
}

export interface MessageSecret {
  readonly id: string
  readonly secret: string
}

const version = 'h1'

/**
 * `h1.<key id>.<HMAC-SHA256, base64url>.<JSON>`. Each type has its own key derived from the secret
 * and the topic is part of what is signed, so a message cannot be moved to another topic or played
 * back in the other direction. The first secret signs, all verify: rotation needs no pause.
 */
export function createSignedCodec(secrets: readonly MessageSecret[]): MessageCodec {
  const keys = new Map<string, Buffer>()
  for (const { id, secret } of secrets) {
    for (const type of Object.keys(schemas)) keys.set(`${id}/${type}`, deriveKey(secret, type))
  }
  const signingId = secrets[0]?.id
  if (signingId === undefined) throw new Error('at least one message key is needed')

  return {
    seal(type, topic, message) {
      const json = JSON.stringify(message)
      const key = keys.get(`${signingId}/${type}`)
      if (key === undefined) throw new Error(`no key for ${type}`)
      return Buffer.from(`${version}.${signingId}.${sign(key, topic, json)}.${json}`)
    },
    open(type, topic, body) {
      const envelope = parseEnvelope(body)
      if (envelope === undefined) return unreadable('malformed')
      if (envelope.version !== version) return unreadable('unknown_version')
      const key = keys.get(`${envelope.keyId}/${type}`)
      if (key === undefined) return unreadable('unknown_key')
      const expected = Buffer.from(sign(key, topic, envelope.json))
      const actual = Buffer.from(envelope.signature)
      if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) {
        return unreadable('bad_signature')
      }
      return parseContent(type, envelope.json)
    },
  }
}

/** For the embedded broker: inside one process there is nobody to forge. */
export function createPlainCodec(): MessageCodec {
  return {
    seal: (_type, _topic, message) => Buffer.from(JSON.stringify(message)),
    open: (type, _topic, body) => parseContent(type, body.toString('utf8')),
  }
}

function deriveKey(secret: string, type: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'holdfast', `message:${type}`, 32))
}

function sign(key: Buffer, topic: string, json: string): string {
  return createHmac('sha256', key).update(`${topic}\n`).update(json).digest('base64url')
}

function parseEnvelope(body: Buffer) {
  const text = body.toString('utf8')
  const parts = /^([a-z]\d{1,3})\.([a-zA-Z0-9_-]{1,16})\.([a-zA-Z0-9_-]{43})\.(.+)$/s.exec(text)
  if (parts === null) return undefined
  const [, found = '', keyId = '', signature = '', json = ''] = parts
  return { version: found, keyId, signature, json }
}

function parseContent<T extends MessageType>(type: T, json: string): Opened<MessageBodies[T]> {
  let content: unknown
  try {
    content = JSON.parse(json)
  } catch {
    return unreadable('malformed')
  }
  const parsed = schemas[type].safeParse(content)
  if (!parsed.success) return unreadable('bad_content')
  return { readable: true, message: parsed.data as MessageBodies[T] }
}

function unreadable(reason: UnreadableReason): { readable: false; reason: UnreadableReason } {
  return { readable: false, reason }
}
