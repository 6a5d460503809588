import { ClosedLoop } from './closed-loop.ts'
import type { Job, Order, Report } from './job.ts'
import { Race } from './race.ts'
import { Soak } from './soak.ts'

/** The load generator runs as a process of its own, gets orders from the bench and ends with it. */
let prepared: Workload | undefined
type Workload = ClosedLoop | Race | Soak

function tell(report: Report): void {
  process.send?.(report)
}

async function obey(order: Order): Promise<void> {
  switch (order.type) {
    case 'prepare':
      prepared = create(order.job)
      await prepared.prepare()
      tell({ type: 'ready' })
      return
    case 'go': {
      if (prepared === undefined) throw new Error('told to go before it was prepared')
      const result = await prepared.run((type) => {
        tell({ type })
      })
      tell({ type: 'done', result })
    }
  }
}

function create(job: Job): Workload {
  switch (job.kind) {
    case 'closed loop':
      return new ClosedLoop(job)
    case 'race':
      return new Race(job)
    case 'soak':
      return new Soak(job)
  }
}

process.on('message', (order) => {
  obey(order as Order).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : String(error)}\n`)
    process.exit(1)
  })
})
process.once('disconnect', () => process.exit(0))
