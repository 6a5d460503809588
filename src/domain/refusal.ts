/**
 * The reasons for refusing an add-to-cart. The union is closed: refusals are values that travel in
 * outcomes and are never thrown.
 */
export const refusals = [
  'sold_out',
  'purchase_limit_reached',
  'sale_not_open',
  'product_not_in_sale',
  'currency_mismatch',
  'cart_full',
  'idempotency_key_reused',
  'unknown_user',
  'too_late',
] as const

export type Refusal = (typeof refusals)[number]
