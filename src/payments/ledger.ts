/** The part of the provider's ledger that an audit reads. It never moves money. */
export interface PaymentLedger {
  /**
   * Reads a page from one consistent snapshot. `captured` holds at most `capturedPageMax` payments in the
   * order of their ids; pass `next` as `afterPaymentId` to read on.
   * @throws ProviderUnavailableError when no answer came.
   */
  readLedger(afterPaymentId?: string): Promise<LedgerPage>
}

export interface LedgerPage {
  readonly captured: readonly CapturedPayment[]
  /** The last id of a full page; undefined when there is nothing more. */
  readonly next: string | undefined
  /**
   * The number of refused voids of payments whose money had moved. Voids of push payments do not
   * count: their money may move while they are given up.
   */
  readonly voidsOfCaptured: number
}

export interface CapturedPayment {
  readonly paymentId: string
  readonly invoiceId: string
  /** Minor units of `currency`. */
  readonly amountMinor: number
  readonly currency: string
  /** Epoch ms. */
  readonly capturedAt: number
}

/** The payments of a page: some 400 kB, and a stall of the event loop of a few milliseconds. */
export const capturedPageMax = 2_000
