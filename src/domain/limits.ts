/**
 * Bounds of everything that a client or an operator may send. The CHECKs of the schema repeat them.
 */
export const limits = {
  quantityMax: 1_000,
  stockMax: 1_000_000_000,
  priceMinorMax: 90_000_000_000_000,
  /** The worth of one line of a cart. A hundred such lines, a full cart, are still an exact number. */
  lineTotalMinorMax: 90_000_000_000_000,
  purchaseLimitMax: 1_000_000,
  holdSecondsMin: 1,
  holdSecondsMax: 86_400,
  nameLengthMax: 200,
  emailLengthMax: 254,
  reasonLengthMax: 500,
  idempotencyKeyLengthMax: 255,
  /** A stop gives the shoppers who wait this long, and has 9.5 s for everything. */
  addToCartWaitMsMax: 5_000,
  cartLinesMax: 100,
  productsPerSaleMax: 200,
  pageSizeMax: 200,
  /** The public list shows this many of a sale; the sale by its id shows all. */
  productsPerListedSaleMax: 20,
  pageSizeDefault: 50,
  usersPerBatchMax: 10_000,
  /** Balancers check every few seconds, so a longer delay is a mistake. */
  drainDelayMsMax: 60_000,
  /** 2100-01-01T00:00:00Z: later dates are typing errors, not sales. */
  timestampMsMax: 4_102_444_800_000,
} as const
