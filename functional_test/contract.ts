import { z } from 'zod'

/**
 * The REST contract for clients: the allowed answers of each step and the fields that the bots
 * read. It is written from the documentation, not from the program. Unknown fields are ignored.
 */

export const steps = [
  'set up',
  'create users',
  'sale page',
  'add to cart',
  'add-to-cart status',
  'cart',
  'release',
  'checkout',
  'pay',
  'invoice',
  'stock (API A)',
  'invoices (API B)',
  'audit',
] as const
export type Step = (typeof steps)[number]

const addToCartRefusals = new Set([
  'sold_out',
  'purchase_limit_reached',
  'sale_not_open',
  'product_not_in_sale',
  'currency_mismatch',
  'cart_full',
  'too_late',
])
const payRefusals = new Set(['invoice_expired', 'invoice_cancelled', 'payment_in_progress'])

/** 429, 503 and the other 5xx are judged elsewhere: they may come at any step. */
export function isAllowed(step: Step, status: number, code: string | null): boolean {
  if (status === 429 || status >= 500) return true
  switch (step) {
    case 'add to cart':
      if (status === 404 || status === 409) return addToCartRefusals.has(code ?? '')
      return status === 201 || status === 202
    case 'checkout':
      return status === 201 || (status === 409 && code === 'cart_empty')
    case 'pay':
      if (status === 402) return code === 'payment_declined'
      return status === 200 || status === 202 || (status === 409 && payRefusals.has(code ?? ''))
    case 'release':
      return status === 204 || status === 404 || status === 409
    case 'create users':
      return status === 201
    case 'set up':
      return true
    case 'sale page':
    case 'add-to-cart status':
    case 'cart':
    case 'invoice':
    case 'stock (API A)':
    case 'invoices (API B)':
    case 'audit':
      return status === 200
  }
}

const timestamp = z.string().transform(Date.parse).pipe(z.number())

export const reservationSchema = z.object({
  id: z.string(),
  productId: z.number(),
  quantity: z.number(),
  status: z.string(),
  expiresAt: timestamp,
})
export type Reservation = z.infer<typeof reservationSchema>

export const heldSchema = z.object({ reservation: reservationSchema })
export const pendingSchema = z.object({ statusUrl: z.string() })
export const addToCartStatusSchema = z.discriminatedUnion('status', [
  z.object({ status: z.literal('pending') }),
  z.object({ status: z.literal('held'), reservation: reservationSchema }),
  z.object({ status: z.literal('refused') }),
])
export const cartSchema = z.object({ items: z.array(reservationSchema) })

export const invoiceSchema = z.object({
  id: z.string(),
  userId: z.number(),
  status: z.enum(['unpaid', 'paying', 'paid', 'cancelled', 'expired']),
  lines: z.array(
    z.object({ reservationId: z.string(), productId: z.number(), quantity: z.number() }),
  ),
  dueAt: timestamp,
})
export type Invoice = z.infer<typeof invoiceSchema>

/** `GET /v1/invoices/:id` may or may not wrap the invoice the way checkout does. */
export const oneInvoiceSchema = z.union([
  z.object({ invoice: invoiceSchema }).transform(({ invoice }) => invoice),
  invoiceSchema,
])
export const checkedOutSchema = z.object({ invoice: invoiceSchema })
export const payAnswerSchema = z.object({
  invoice: invoiceSchema,
  payment: z.object({ id: z.string() }).nullish(),
})
export const invoicePageSchema = z.object({
  items: z.array(invoiceSchema),
  nextCursor: z.string().nullable(),
})

/** The counters may be any number, also negative: the judgements decide about them. */
export const stockSchema = z.object({
  productId: z.number(),
  allotment: z.number(),
  available: z.number(),
  held: z.number(),
  sold: z.number(),
})
export type Stock = z.infer<typeof stockSchema>

export const auditSchema = z.object({
  holds: z.boolean(),
  invariants: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      violations: z.number(),
      examples: z.array(z.unknown()).optional(),
    }),
  ),
  unchecked: z.array(z.string()),
})
export type Audit = z.infer<typeof auditSchema>

export const usersSchema = z.object({
  users: z.array(z.object({ id: z.number(), token: z.string() })),
})
export const createdSchema = z.object({ id: z.number() })
export const flashSaleSchema = z.object({
  status: z.string(),
  startsAt: z.string(),
  endsAt: z.string(),
  serverTime: timestamp,
  products: z.array(z.object({ productId: z.number().optional(), id: z.number().optional() })),
})
export type FlashSale = z.infer<typeof flashSaleSchema>

const problemSchema = z.object({ code: z.string() })

/** Returns the stable `code` of a problem or of a refused request. */
export function codeOf(body: unknown): string | null {
  const places = [body, ...nested(body)]
  for (const place of places) {
    const problem = problemSchema.safeParse(place)
    if (problem.success) return problem.data.code
  }
  return null
}

function nested(body: unknown): unknown[] {
  if (typeof body !== 'object' || body === null) return []
  const fields = body as Record<string, unknown>
  const named = ['refusal', 'reason'].map((name) => fields[name])
  return [
    ...named.map((value) => (typeof value === 'string' ? { code: value } : value)),
    fields['problem'],
  ]
}
