import { z } from 'zod'
import { flashSaleStatuses } from '../../domain/flash-sale.ts'
import { invoiceStatuses } from '../../domain/invoice.ts'
import { limits } from '../../domain/limits.ts'
import { paymentStatuses, attentionReasons } from '../../domain/payment.ts'
import { refusals } from '../../domain/refusal.ts'
import { reservationStatuses } from '../../domain/reservation.ts'
import { problemCodes, type ProblemCode } from '../http/problem.ts'

/** The shapes of the REST contract, as docs/ and OpenAPI show them. */
const rowId = z.int().positive()
const minor = z.int().describe('Minor units of the currency: 1999 is 19.99')
const currency = z.string().regex(/^[A-Z]{3}$/, 'three capital letters, ISO 4217')
const timestamp = z.iso.datetime().describe('RFC 3339, UTC')
/** Neither control characters, which the database counts otherwise, nor halves of surrogate pairs. */
const plainText = /^[^\p{Cc}\p{Cs}]*$/u
const name = z.string().trim().min(1).max(limits.nameLengthMax).regex(plainText, 'plain text only')

/** A number as a path or a query carries it; `Number` alone would also take `0x10`, `1e1` and blanks. */
const digits = z.string().regex(/^\d{1,16}$/, 'digits only')
const idText = digits
  .transform(Number)
  .pipe(z.int().positive())
  .meta({ type: 'integer', minimum: 1 })

export const idParams = z.strictObject({ id: idText })
export const uuidParams = z.strictObject({ id: z.uuid() })
export const requestParams = z.strictObject({ requestId: z.uuid() })
export const reservationParams = z.strictObject({ reservationId: z.uuid() })

const limit = digits
  .transform(Number)
  .pipe(z.int().min(1).max(limits.pageSizeMax))
  .default(limits.pageSizeDefault)
  .meta({ type: 'integer', minimum: 1, maximum: limits.pageSizeMax })
const nextCursor = 'nextCursor of the page before'
const invoiceCursor = z.uuid().optional().describe(nextCursor)
export const pageQuery = z.strictObject({
  limit,
  cursor: idText.optional().describe(nextCursor),
})
/** `<endsAt>-<id>` of the last sale of the page before. */
const listCursor = z
  .string()
  .regex(/^\d{1,15}-\d{1,15}$/, nextCursor)
  .transform((text) => {
    const [endsAt = 0, id = 0] = text.split('-').map(Number)
    return { endsAt, id }
  })
  .meta({ type: 'string', pattern: '^[0-9]{1,15}-[0-9]{1,15}$', description: nextCursor })
export const flashSalesQuery = z.strictObject({
  status: z.enum(flashSaleStatuses).optional().describe('What is not over when absent'),
  limit,
  cursor: listCursor.optional(),
})
export const invoicesQuery = z.strictObject({ limit, cursor: invoiceCursor })
export const allInvoicesQuery = z.strictObject({
  productId: idText.optional(),
  status: z.enum(invoiceStatuses).optional(),
  limit,
  cursor: invoiceCursor,
})

export function page(item: z.ZodType) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() })
}

export const user = z
  .object({ id: rowId, name: z.string(), email: z.string() })
  .meta({ id: 'User' })
export const newUser = z.strictObject({
  name,
  email: z.email().max(limits.emailLengthMax),
})
export const newUsers = z.strictObject({ count: z.int().min(1).max(limits.usersPerBatchMax) })

/** RFC 3339 with any offset, to epoch ms. */
const instant = z.iso
  .datetime({ offset: true })
  .describe('RFC 3339, any offset')
  .refine((text) => Date.parse(text) >= 0 && Date.parse(text) <= limits.timestampMsMax, {
    message: 'between 1970 and 2100',
  })

export const newFlashSale = z
  .strictObject({
    name,
    startsAt: instant,
    endsAt: instant,
    holdSeconds: z.int().min(limits.holdSecondsMin).max(limits.holdSecondsMax).optional(),
  })
  .refine(({ startsAt, endsAt }) => Date.parse(startsAt) < Date.parse(endsAt), {
    message: 'must be after startsAt',
    path: ['endsAt'],
  })

export const newProduct = z.strictObject({
  name,
  priceMinor: z.int().min(0).max(limits.priceMinorMax),
  currency,
  stock: z.int().min(0).max(limits.stockMax),
  shopId: rowId.optional(),
})
export const product = z
  .object({
    id: rowId,
    shopId: rowId,
    name: z.string(),
    priceMinor: minor,
    currency,
    stock: z.int(),
  })
  .meta({ id: 'Product' })

export const newProductInSale = z.strictObject({
  productId: rowId,
  salePriceMinor: z.int().min(0).max(limits.priceMinorMax).optional(),
  purchaseLimit: z.int().min(1).max(limits.purchaseLimitMax).optional(),
})
export const productInSale = z
  .object({
    productId: rowId,
    name: z.string(),
    priceMinor: minor,
    currency,
    purchaseLimit: z.int().nullable(),
    available: z.int(),
  })
  .meta({ id: 'ProductInSale' })

export const flashSale = z
  .object({
    id: rowId,
    name: z.string(),
    status: z.enum(flashSaleStatuses),
    startsAt: timestamp,
    endsAt: timestamp,
    holdSeconds: z.int(),
    serverTime: timestamp,
    products: z.array(productInSale),
  })
  .meta({ id: 'FlashSale' })

export const listedFlashSale = flashSale
  .extend({
    moreProducts: z
      .boolean()
      .describe(
        `Whether the sale has more than these first ${limits.productsPerListedSaleMax}; the sale by its id has all`,
      ),
  })
  .meta({ id: 'ListedFlashSale' })

export const adjustment = z.strictObject({
  adjustBy: z
    .int()
    .min(-limits.stockMax)
    .max(limits.stockMax)
    .refine((units) => units !== 0, 'must not be 0'),
  reason: z.string().trim().min(1).max(limits.reasonLengthMax).regex(plainText, 'plain text only'),
})
export const stock = z
  .object({
    productId: rowId,
    allotment: z.int(),
    available: z.int(),
    held: z.int(),
    sold: z.int(),
  })
  .meta({ id: 'Stock' })

export const reservation = z
  .object({
    id: z.uuid(),
    productId: rowId,
    quantity: z.int(),
    unitPriceMinor: minor,
    currency,
    status: z.enum(reservationStatuses),
    expiresAt: timestamp,
  })
  .meta({ id: 'Reservation' })

export const cart = z
  .object({
    items: z.array(reservation),
    totalMinor: minor,
    currency: currency.nullable(),
    expiresAt: timestamp.nullable(),
  })
  .meta({ id: 'Cart' })

export const requestStatus = z
  .object({
    requestId: z.uuid(),
    status: z.enum(['pending', 'held', 'refused']),
    reservation: reservation.optional(),
    code: z.enum(refusals).optional(),
  })
  .meta({ id: 'AddToCartRequestStatus' })

export const invoice = z
  .object({
    id: z.uuid(),
    userId: rowId,
    status: z.enum(invoiceStatuses),
    lines: z.array(
      z.object({
        reservationId: z.uuid(),
        productId: rowId,
        name: z.string(),
        quantity: z.int(),
        unitPriceMinor: minor,
        lineTotalMinor: minor,
      }),
    ),
    totalMinor: minor,
    currency,
    dueAt: timestamp,
    createdAt: timestamp,
    paidAt: timestamp.optional(),
  })
  .meta({ id: 'Invoice' })

export const payBody = z.strictObject({
  paymentMethod: z.string().regex(/^[\x21-\x7e]{1,100}$/, '1 to 100 visible ASCII characters'),
})
export const payment = z
  .object({
    id: z.uuid(),
    status: z.enum(paymentStatuses),
    amountMinor: minor,
    currency,
    declineCode: z.string().optional(),
    createdAt: timestamp,
  })
  .meta({ id: 'Payment' })

export const attentionEntry = z
  .object({
    paymentId: z.uuid(),
    invoiceId: z.uuid().nullable().describe('null, as are user and method, when `forgotten`'),
    invoiceStatus: z.enum(invoiceStatuses).nullable(),
    userId: rowId.nullable(),
    method: z.string().nullable(),
    amountMinor: minor,
    currency,
    reason: z.enum(attentionReasons),
    since: timestamp,
  })
  .meta({ id: 'AttentionEntry' })
export const closeAttention = z.strictObject({
  note: z.string().trim().min(1).max(limits.reasonLengthMax).regex(plainText, 'plain text only'),
})

export const adminAction = z
  .object({
    id: rowId,
    route: z.string().describe('Method and path as in this document'),
    params: z.record(z.string(), z.unknown()),
    body: z.record(z.string(), z.unknown()),
    outcome: z.enum(['done', ...problemCodes]).describe('`done`, or why it was refused'),
    requestId: z.string().describe('`X-Request-Id` of the answer'),
    address: z.string().describe('Where it came from'),
    createdAt: timestamp,
  })
  .meta({ id: 'AdminAction' })

export const audit = z
  .object({
    holds: z.boolean(),
    checkedAt: timestamp,
    invariants: z.array(
      z.object({
        id: z.string(),
        title: z.string(),
        violations: z.int(),
        examples: z.array(z.record(z.string(), z.unknown())),
      }),
    ),
    unchecked: z.array(z.string()).describe('What could not be checked, and why'),
  })
  .meta({ id: 'Audit' })

export const problemBody = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(problemCodes as [ProblemCode, ...ProblemCode[]]),
    detail: z.string().optional(),
  })
  .meta({ id: 'Problem' })
