import { setTimeout as pause } from 'node:timers/promises'
import { arrive } from './arrival.ts'
import type { Answerer, Connection } from './connection.ts'
import type { ClosedLoopJob, LoadResult } from './job.ts'
import { Latencies } from './latencies.ts'
import { Requests } from './requests.ts'
import { Faults, kindOf, Tally } from './tally.ts'

/** Longer than the server may hold an add-to-cart open. */
const answeredWithinMs = 15_000

/** Keeps all connections busy for the warm-up and the window, then waits for the last answers. */
export class ClosedLoop implements Answerer {
  private readonly job: ClosedLoopJob
  private readonly requests: Requests
  private readonly sentAt: Float64Array
  private readonly latencies = new Latencies()
  private readonly others = new Tally()
  private readonly faults = new Faults()
  private readonly visitors: number
  private connections: readonly Connection[] = []
  private phase: 'warm-up' | 'window' | 'drain' = 'warm-up'
  private busy: number
  private sent = 0
  private waiting = 0
  private demanded = 0
  private demandedInWindow = 0

  constructor(job: ClosedLoopJob) {
    this.job = job
    this.requests = new Requests(job)
    this.busy = Math.max(job.connections, job.warmUpConnections)
    this.sentAt = new Float64Array(this.busy)
    this.visitors = job.visitors === 'fresh' ? job.shoppers : job.visitors.returning
  }

  async prepare(): Promise<void> {
    const crowd = { count: this.busy, origins: this.job.origins, look: this.requests.look }
    this.connections = await arrive(crowd, this)
  }

  async run(tell: (edge: 'window opens' | 'window closes') => void): Promise<LoadResult> {
    for (const connection of this.connections) this.send(connection)
    await pause(this.job.warmUpSeconds * 1000)
    this.busy = this.job.connections
    await this.until(() => this.waiting <= this.busy)
    tell('window opens')
    this.phase = 'window'
    const openedAt = performance.now()
    await pause(this.job.seconds * 1000)
    this.phase = 'drain'
    this.busy = 0
    const seconds = (performance.now() - openedAt) / 1000
    tell('window closes')
    await this.until(() => this.waiting === 0)
    this.faults.add('without an answer', this.waiting)
    for (const connection of this.connections) connection.close()
    return this.result(seconds)
  }

  answered(connection: Connection, status: number, body: string): void {
    const { demand } = this.job
    this.waiting -= 1
    if (status === demand.status && body.includes(demand.marker)) {
      this.demanded += 1
      if (this.phase === 'window') this.count(connection)
    } else {
      const kind = kindOf(status, body)
      this.others.add(kind)
      this.faults.add(`answered ${kind}`)
    }
    if (connection.index < this.busy) this.send(connection)
  }

  broke(_connection: Connection, reason: string): void {
    this.faults.add(`connection lost: ${reason}`)
  }

  private count(connection: Connection): void {
    this.demandedInWindow += 1
    this.latencies.record(performance.now() - (this.sentAt[connection.index] ?? 0))
  }

  private send(connection: Connection): void {
    const number = this.sent
    this.sent += 1
    this.waiting += 1
    const shopper = number % this.visitors
    const key = this.job.idempotencyKeys === 'sent' ? `bench-${number}` : undefined
    this.sentAt[connection.index] = performance.now()
    connection.send(this.requests.addToCart(shopper, number, key))
  }

  private async until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + answeredWithinMs
    while (!condition() && performance.now() < deadline) await pause(1)
  }

  private result(seconds: number): LoadResult {
    const { status, marker } = this.job.demand
    const kind = kindOf(status, marker)
    return {
      seconds,
      answers: { [kind]: this.demandedInWindow },
      answersInAll: { [kind]: this.demanded, ...this.others.read() },
      latency: this.latencies.read(),
      faults: this.faults.read(),
      toldLater: 0,
      paying: undefined,
    }
  }
}
