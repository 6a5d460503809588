import { z } from 'zod'
import { flashSaleStatuses } from '../../domain/flash-sale.ts'
import { invoiceStatuses } from '../../domain/invoice.ts'
import { limits } from '../../domain/limits.ts'
import { paymentStatuses, attentionReasons } from '../../domain/payment.ts'
import { refusals } from '../../domain/refusal.ts'
import { reservationStatuses } from '../../domain/reservation.ts'
import { problemCodes, type ProblemCode } from '../http/problem.ts'
import {
  currency,
  email,
  exampled,
  idText,
  instant,
  isoCurrency,
  limit,
  lineOfText,
  minor,
  reason,
  rowId,
  timestamp,
  units,
  uuid,
} from './fields.ts'

/** The shapes of the REST contract, as docs/ and OpenAPI show them. */
const saleName = lineOfText(limits.nameLengthMax, '12.12 Flash Sale')
const productName = lineOfText(limits.nameLengthMax, 'Wireless Earbuds')
const personName = lineOfText(limits.nameLengthMax, 'Ann Lee')
/** Texts as answers have them. */
const text = (example: string) => z.string().meta({ examples: [example] })

export const idParams = z.strictObject({ id: idText })
export const uuidParams = z.strictObject({ id: uuid })
export const requestParams = z.strictObject({ requestId: uuid })
export const reservationParams = z.strictObject({ reservationId: uuid })

const nextCursor = 'The `nextCursor` of the page before; absent for the first page'
const invoiceCursor = uuid.optional().describe(nextCursor)
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
  .meta({
    type: 'string',
    pattern: '^[0-9]{1,15}-[0-9]{1,15}$',
    description: nextCursor,
    override: { examples: ['1797081120000-1'] },
  })
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
  return z.object({
    items: z.array(item),
    nextCursor: z
      .string()
      .nullable()
      .describe('For the next page; null on the last one')
      .meta({ examples: ['41'] }),
  })
}

export const user = z
  .object({ id: rowId, name: text('Ann Lee'), email: text('ann@example.com') })
  .meta({ id: 'User' })
export const token = text('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIyIn0.c2lnbmF0dXJl').describe('A JWT')
export const userWithToken = z.object({ id: rowId, token }).meta({ id: 'UserWithToken' })
export const newUser = z.strictObject({
  name: personName,
  email,
})
export const newUsers = z.strictObject({
  count: z
    .int()
    .min(1)
    .max(limits.usersPerBatchMax)
    .meta({ examples: [100] }),
})

export const newFlashSale = z
  .strictObject({
    name: saleName,
    startsAt: instant('2026-12-12T12:12:00Z'),
    endsAt: instant('2026-12-12T13:12:00Z').describe('After `startsAt`'),
    holdSeconds: z
      .int()
      .min(limits.holdSecondsMin)
      .max(limits.holdSecondsMax)
      .optional()
      .describe('How long a unit in a cart is held; `HOLD_SECONDS` of the program unless given')
      .meta({ examples: [300] }),
  })
  .refine(({ startsAt, endsAt }) => Date.parse(startsAt) < Date.parse(endsAt), {
    message: 'must be after startsAt',
    path: ['endsAt'],
  })

const price = minor.max(limits.priceMinorMax)
export const newProduct = z.strictObject({
  name: productName,
  priceMinor: exampled(price, 4_999),
  currency: isoCurrency,
  stock: z
    .int()
    .min(0)
    .max(limits.stockMax)
    .meta({ examples: [50] }),
  shopId: rowId.optional().describe('The shop of the program unless given'),
})
export const product = z
  .object({
    id: rowId,
    shopId: rowId,
    name: text('Wireless Earbuds'),
    priceMinor: exampled(minor, 4_999),
    currency,
    stock: units(50),
  })
  .meta({ id: 'Product' })

const allowAboveList = z
  .boolean()
  .optional()
  .describe('Takes a price above the list price, which is refused otherwise')
  .meta({ examples: [false] })

export const newProductInSale = z.strictObject({
  productId: rowId,
  salePriceMinor: price.optional().describe('The price of the product unless given'),
  purchaseLimit: z
    .int()
    .min(1)
    .max(limits.purchaseLimitMax)
    .optional()
    .describe('Units that one shopper may hold and buy; no limit unless given')
    .meta({ examples: [2] }),
  allowAboveList,
})
export const productInSaleParams = z.strictObject({ id: idText, productId: idText })
export const productInSaleChange = z.strictObject({
  salePriceMinor: price.optional().describe('Unchanged unless given'),
  purchaseLimit: z
    .int()
    .min(1)
    .max(limits.purchaseLimitMax)
    .nullable()
    .optional()
    .describe('Unchanged unless given; null lifts it')
    .meta({ examples: [2] }),
  allowAboveList,
})
export const productInSale = z
  .object({
    productId: rowId,
    name: text('Wireless Earbuds'),
    priceMinor: minor,
    currency,
    purchaseLimit: z
      .int()
      .min(1)
      .nullable()
      .meta({ examples: [2] }),
    available: units(37),
  })
  .meta({ id: 'ProductInSale' })

export const flashSale = z
  .object({
    id: rowId,
    name: text('12.12 Flash Sale'),
    status: z.enum(flashSaleStatuses),
    startsAt: timestamp,
    endsAt: exampled(timestamp, '2026-12-12T13:12:00.000Z'),
    holdSeconds: units(300).describe('How long a unit in a cart is held'),
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
    .refine((added) => added !== 0, 'must not be 0')
    .describe('Units to add, or to take away when below 0')
    .meta({ not: { const: 0 }, examples: [10] }),
  reason,
})
export const stock = z
  .object({
    productId: rowId,
    allotment: units(50).describe('available + held + sold'),
    available: units(37),
    held: units(8),
    sold: units(5),
  })
  .meta({ id: 'Stock' })

export const reservation = z
  .object({
    id: uuid,
    productId: rowId,
    quantity: units(1),
    unitPriceMinor: minor,
    currency,
    status: z.enum(reservationStatuses),
    expiresAt: exampled(timestamp, '2026-12-12T12:17:00.000Z'),
  })
  .meta({ id: 'Reservation' })

export const cart = z
  .object({
    items: z.array(reservation),
    totalMinor: minor,
    currency: exampled(currency.nullable(), 'EUR'),
    expiresAt: exampled(timestamp.nullable(), '2026-12-12T12:17:00.000Z'),
  })
  .meta({ id: 'Cart' })

export const pendingRequest = z
  .object({
    requestId: uuid,
    status: z.literal('pending'),
    statusUrl: text('/v1/cart/requests/0197a1b2-3c4d-7e5f-8a6b-0c1d2e3f4a5b'),
  })
  .meta({ id: 'PendingAddToCartRequest' })

export const requestStatus = z
  .object({
    requestId: uuid,
    status: z.enum(['pending', 'held', 'refused']),
    reservation: reservation.optional(),
    code: z.enum(refusals).optional(),
  })
  .meta({ id: 'AddToCartRequestStatus' })

const invoiceLine = z.object({
  reservationId: uuid,
  productId: rowId,
  name: text('Wireless Earbuds'),
  quantity: units(1),
  unitPriceMinor: minor,
  lineTotalMinor: minor,
})
export const invoice = z
  .object({
    id: uuid,
    userId: rowId,
    status: z.enum(invoiceStatuses),
    lines: z.array(invoiceLine),
    cancelledLines: z
      .array(invoiceLine)
      .optional()
      .describe('Lines of sales that were called off; they are not part of the total'),
    totalMinor: minor,
    currency,
    dueAt: exampled(timestamp, '2026-12-12T12:22:00.000Z').describe('Unpaid by then, it expires'),
    createdAt: timestamp,
    paidAt: timestamp.optional(),
  })
  .meta({ id: 'Invoice' })

/** The shopper's confirmation of the cart at checkout. */
export const checkoutBody = z.strictObject({
  reservationIds: z
    .array(uuid.transform((id) => id.toLowerCase()))
    .max(limits.cartLinesMax)
    .optional()
    .describe('The ids of all live items of the cart, in any order'),
  expectedTotalMinor: minor
    .optional()
    .describe('The total of the cart in minor units of its currency'),
})

export const payBody = z.strictObject({
  paymentMethod: z
    .string()
    .regex(/^[!-~]{1,100}$/, '1 to 100 visible ASCII characters')
    .describe('The payment method as the provider names it')
    .meta({ examples: ['pm_ok'] }),
})
export const payment = z
  .object({
    id: uuid,
    status: z.enum(paymentStatuses),
    amountMinor: minor,
    currency,
    declineCode: text('card_declined').optional(),
    createdAt: timestamp,
  })
  .meta({ id: 'Payment' })

export const attentionEntry = z
  .object({
    paymentId: uuid,
    invoiceId: exampled(uuid.nullable(), '0197a1b2-3c4d-7e5f-8a6b-0c1d2e3f4a5b').describe(
      'null, as are user and method, when `forgotten`',
    ),
    invoiceStatus: z.enum(invoiceStatuses).nullable(),
    userId: exampled(rowId.nullable(), 2),
    method: exampled(z.string().nullable(), 'pm_ok'),
    amountMinor: minor,
    currency,
    reason: z.enum(attentionReasons),
    since: timestamp,
  })
  .meta({ id: 'AttentionEntry' })
export const closeAttention = z.strictObject({
  note: lineOfText(limits.reasonLengthMax, 'Refunded at the provider, the shopper was told'),
})

export const adminAction = z
  .object({
    id: rowId,
    route: text('PATCH /v1/admin/products/{id}/stock').describe(
      'Method and path as in this document',
    ),
    params: exampled(z.record(z.string(), z.unknown()), { id: 1 }),
    body: exampled(z.record(z.string(), z.unknown()), { adjustBy: 10, reason: 'More came' }),
    outcome: z.enum(['done', ...problemCodes]).describe('`done`, or why it was refused'),
    requestId: text('0197a1b2-3c4d-7e5f-8a6b-0c1d2e3f4a5b').describe(
      '`X-Request-Id` of the answer',
    ),
    address: text('203.0.113.7').describe('Where the request came from'),
    createdAt: timestamp,
  })
  .meta({ id: 'AdminAction' })

export const audit = z
  .object({
    holds: z.boolean(),
    checkedAt: timestamp,
    invariants: z.array(
      z.object({
        id: text('I2'),
        title: text('available + held + sold = allotment'),
        violations: units(0),
        examples: exampled(z.array(z.record(z.string(), z.unknown())), []),
      }),
    ),
    unchecked: z
      .array(text('I12: the provider did not answer'))
      .describe('What could not be checked, and why'),
  })
  .meta({ id: 'Audit' })

export const problemBody = z
  .object({
    type: text('urn:holdfast:problem:sold_out'),
    title: text('Not enough units are left'),
    status: exampled(z.int().min(400).max(599), 409),
    code: exampled(z.enum(problemCodes as [ProblemCode, ...ProblemCode[]]), 'sold_out'),
    detail: text('quantity: at most 1000').optional().describe('For people; it may change'),
    cart: cart.optional().describe('With `cart_changed`: the cart as it is'),
  })
  .meta({ id: 'Problem' })
