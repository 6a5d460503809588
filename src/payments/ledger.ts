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
  /** Over all captured payments, not only those of this page. */
  readonly capturedTotals: readonly CapturedTotal[]
  readonly captured: readonly CapturedPayment[]
  /** The last id of a full page; undefined when there is nothing more. */
  readonly next: string | undefined
  /** Attempts to void a payment whose money had moved. All were refused, but somebody tried. */
  readonly voidsOfCaptured: number
}

export interface CapturedTotal {
  readonly currency: string
  readonly payments: number
  /** Minor units of `currency`. */
  readonly amountMinor: number
}

export interface CapturedPayment {
  readonly paymentId: string
  readonly invoiceId: string
  /** Minor units of `currency`. */
  readonly amountMinor: number
  readonly currency: string
}

/** Payments in one page: some 2 MB, and one short stall of the event loop. */
export const capturedPageMax = 10_000
