import type { Clock } from '../../clock.ts'
import type { ProviderBooks } from '../../audit/compare-ledgers.ts'
import { findPayment } from './books.ts'
import { openLedgerReader, readPage } from './ledger.ts'

export interface SimulatedReader extends ProviderBooks {
  close(): Promise<void>
}

export interface SimulatedReaderOptions {
  /** The ledger's file, which a payment simulator has made. */
  readonly path: string
  readonly clock: Clock
}

/**
 * Opens the simulated provider's ledger for an audit: it is only read, never created or changed.
 */
export async function openSimulatedReader(
  options: SimulatedReaderOptions,
): Promise<SimulatedReader> {
  const ledger = await openLedgerReader(options)
  return {
    find: (paymentId) => ledger.read((connection) => findPayment(connection, paymentId)),
    readLedger: (afterPaymentId = '') =>
      ledger.read((connection) => readPage(connection, afterPaymentId)),
    close: () => ledger.close(),
  }
}
