/** What an audit may read of the provider's own books. Never used to move money. */
export interface PaymentLedger {
  /**
   * One consistent snapshot. `captured` holds at most `capturedPageMax` payments in the order of
   * their ids; give `next` as `afterPaymentId` to read on.
   * @throws ProviderUnavailableError when no answer came.
   */
  readLedger(afterPaymentId?: string): Promise<LedgerPage>
}

export interface LedgerPage {
  readonly captured: readonly CapturedPayment[]
  /** The last id of a full page; undefined when there is nothing more. */
  readonly next: string | undefined
  /**
   * Attempts to void a payment whose money had moved. All were refused, but somebody tried. Of push
   * payments none are counted: their money moves when it likes, also while they are given up.
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

/** Payments in one page: some 400 kB, and a stall of the event loop of a few milliseconds. */
export const capturedPageMax = 2_000
