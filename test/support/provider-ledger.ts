import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import type { LedgerPage } from '../../src/payments/ledger.ts'
import { createSimulatedProvider } from '../../src/payments/simulator/simulated-provider.ts'
import type { TestApp } from './start-app.ts'

/** Reads the provider's ledger without the program. */
export async function readProviderLedger({ folder }: Pick<TestApp, 'folder'>): Promise<LedgerPage> {
  const path = join(folder, 'payment-simulator.db')
  const provider = createSimulatedProvider({ path, clock: systemClock, random: () => 0.5 })
  await provider.start()
  try {
    return await provider.readLedger()
  } finally {
    await provider.stop()
  }
}
