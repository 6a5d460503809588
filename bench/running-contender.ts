import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startContender, type Contender } from './contender.ts'
import { untilOpen } from './opening.ts'
import { sells, type Cell } from './plan.ts'
import type { Run } from './result.ts'
import { makeSale, type Sale, type SaleShape } from './sale-database.ts'

/** The running processes of a contender over a fresh database with an open sale. */
export interface RunningContender {
  readonly contender: Contender
  readonly sale: Sale
  readonly databasePath: string
}

export interface Setting {
  readonly cell: Cell
  readonly run: Run
  readonly shape: SaleShape
  readonly inspected: 'yes' | 'no'
}

export interface Played<T> {
  readonly result: T
  /** A text for each process that did not end well. */
  readonly endings: readonly string[]
}

/** Makes the database, starts the processes, calls `use`, and stops everything. */
export async function withRunningContender<T>(
  { cell, run, shape, inspected }: Setting,
  use: (running: RunningContender) => Promise<T>,
): Promise<Played<T>> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  const databasePath = join(folder, 'holdfast.db')
  let contender: Contender | undefined
  try {
    const sale = await makeSale(run.shoppers.databasePath, databasePath, shape)
    contender = await startContender(cell, { ...run, databasePath, folder, inspected })
    if (sells(cell)) await untilOpen(contender.origins, sale, run.probeToken)
    const result = await use({ contender, sale, databasePath })
    return { result, endings: await contender.stop() }
  } catch (error) {
    const said = (await contender?.stop()) ?? []
    throw new Error([`${cell.id} could not be measured`, ...said].join('\n'), { cause: error })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
