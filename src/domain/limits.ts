/** Bounds of everything a client or operator may send. The schema's CHECKs say the same again. */
export const limits = {
  quantityMax: 1_000,
  stockMax: 1_000_000_000,
  /** Times a full cart of the largest quantity this is still an exact number. */
  priceMinorMax: 10_000_000_000,
  purchaseLimitMax: 1_000_000,
  holdSecondsMin: 1,
  holdSecondsMax: 86_400,
  nameLengthMax: 200,
  emailLengthMax: 254,
  reasonLengthMax: 500,
  idempotencyKeyLengthMax: 255,
  cartLinesMax: 100,
  productsPerSaleMax: 200,
  pageSizeMax: 200,
  pageSizeDefault: 50,
  usersPerBatchMax: 10_000,
  /** 2100-01-01T00:00:00Z: later dates are typing errors, not sales. */
  timestampMsMax: 4_102_444_800_000,
} as const
