import { setTimeout as pause } from 'node:timers/promises'
import { arrive } from './arrival.ts'
import type { Answerer, Connection } from './connection.ts'
import type { LoadResult, Paying, RaceJob } from './job.ts'
import { Latencies } from './latencies.ts'
import { Requests } from './requests.ts'
import { Faults, kindOf, Tally } from './tally.ts'

const racedWithinMs = 90_000
const paidWithinMs = 90_000

/** A shopper with a 202 asks again after its Retry-After, so that not all of them ask at once. */
const lookAgainMs = 1_000
const spreadMs = 500

type Step = 'add to cart' | 'looking' | 'checkout' | 'pay' | 'done'

/**
 * Lets all connected shoppers ask at once; the winners check out and pay. A shopper with a 202 asks
 * for the status until it is decided, and this time counts as waiting.
 */
export class Race implements Answerer {
  private readonly job: RaceJob
  private readonly requests: Requests
  private readonly steps: Step[]
  /** The time when the present step began; asking for a status is part of adding to the cart. */
  private readonly sentAt: Float64Array
  private readonly statusUrls = new Map<number, string>()
  private readonly latencies = new Latencies()
  private readonly payLatencies = new Latencies()
  private readonly answers = new Tally()
  private readonly faults = new Faults()
  private connections: readonly Connection[] = []
  private racing: number
  private shopping = 0
  private toldLater = 0
  private paid = 0
  private lastPaidAt = 0

  constructor(job: RaceJob) {
    this.job = job
    this.requests = new Requests(job)
    this.racing = job.racers
    this.steps = Array.from({ length: job.racers }, () => 'add to cart')
    this.sentAt = new Float64Array(job.racers)
  }

  async prepare(): Promise<void> {
    const crowd = { count: this.job.racers, origins: this.job.origins, look: this.requests.look }
    this.connections = await arrive(crowd, this)
  }

  async run(tell: (edge: 'window opens' | 'window closes') => void): Promise<LoadResult> {
    tell('window opens')
    const openedAt = performance.now()
    for (const connection of this.connections) this.start(connection)
    const racedAt = await this.until(() => this.racing === 0, racedWithinMs)
    this.faults.add('add-to-cart without an answer', this.racing)
    await this.until(() => this.shopping === 0, paidWithinMs)
    tell('window closes')
    this.faults.add('winners who did not get through to paid', this.shopping)
    for (const connection of this.connections) connection.close()
    return this.result(openedAt, racedAt)
  }

  answered(connection: Connection, status: number, body: string): void {
    const { index } = connection
    const waited = performance.now() - (this.sentAt[index] ?? 0)
    switch (this.steps[index]) {
      case 'add to cart':
        if (status === 202) this.comeBack(connection, body)
        else this.decided(connection, waited, kindOf(status, body))
        return
      case 'looking':
        this.looked(connection, waited, body)
        return
      case 'checkout':
        this.payLatencies.record(waited)
        if (status === 201) this.pay(connection, body)
        else this.giveUp(index, `checkout answered ${kindOf(status, body)}`)
        return
      case 'pay':
        this.payLatencies.record(waited)
        if (status === 200) this.finish(index)
        else this.giveUp(index, `pay answered ${kindOf(status, body)}`)
        return
      case 'done':
      case undefined:
        this.faults.add('an answer nobody waited for')
    }
  }

  broke({ index }: Connection, reason: string): void {
    // The server may close the connection of a shopper who is done.
    if (this.steps[index] !== 'done') this.faults.add(`connection lost: ${reason}`)
  }

  private start(connection: Connection): void {
    const { index } = connection
    this.send(connection, this.requests.addToCart(index, index, `race-${index}`))
  }

  private comeBack(connection: Connection, body: string): void {
    const { index } = connection
    this.toldLater += 1
    this.steps[index] = 'looking'
    const { statusUrl } = JSON.parse(body) as { readonly statusUrl: string }
    this.statusUrls.set(index, statusUrl)
    this.lookAgain(connection)
  }

  private lookAgain(connection: Connection): void {
    const { index } = connection
    const request = this.requests.askStatus(index, this.statusUrls.get(index) ?? '')
    setTimeout(
      () => {
        connection.send(request)
      },
      lookAgainMs + (index % spreadMs),
    )
  }

  private looked(connection: Connection, waited: number, body: string): void {
    const { status, code = '' } = JSON.parse(body) as StatusBody
    if (status === 'pending') this.lookAgain(connection)
    else this.decided(connection, waited, status === 'held' ? '201' : `409 ${code}`)
  }

  private decided(connection: Connection, waited: number, kind: string): void {
    this.latencies.record(waited)
    this.racing -= 1
    this.answers.add(kind)
    if (kind === '201' && this.job.then === 'pay') this.checkOut(connection)
    else this.steps[connection.index] = 'done'
  }

  private checkOut(connection: Connection): void {
    const { index } = connection
    this.shopping += 1
    this.steps[index] = 'checkout'
    this.send(connection, this.requests.checkOut(index, `checkout-${index}`))
  }

  private pay(connection: Connection, body: string): void {
    const { index } = connection
    this.steps[index] = 'pay'
    const { invoice } = JSON.parse(body) as { readonly invoice: { readonly id: string } }
    this.send(connection, this.requests.pay(index, invoice.id, `pay-${index}`))
  }

  private send(connection: Connection, request: string): void {
    this.sentAt[connection.index] = performance.now()
    connection.send(request)
  }

  private finish(index: number): void {
    this.steps[index] = 'done'
    this.shopping -= 1
    this.paid += 1
    this.lastPaidAt = performance.now()
  }

  private giveUp(index: number, why: string): void {
    this.steps[index] = 'done'
    this.shopping -= 1
    this.faults.add(why)
  }

  /** Waits until the condition is true or the time is over, and returns that time. */
  private async until(condition: () => boolean, withinMs: number): Promise<number> {
    const deadline = performance.now() + withinMs
    while (!condition() && performance.now() < deadline) await pause(1)
    return performance.now()
  }

  private result(openedAt: number, racedAt: number): LoadResult {
    const answers = this.answers.read()
    return {
      seconds: (racedAt - openedAt) / 1000,
      answers,
      answersInAll: answers,
      latency: this.latencies.read(),
      faults: this.faults.read(),
      toldLater: this.toldLater,
      paying: this.job.then === 'pay' ? this.paying(openedAt) : undefined,
    }
  }

  private paying(openedAt: number): Paying {
    const seconds = Math.max(0, this.lastPaidAt - openedAt) / 1000
    return { seconds, paid: this.paid, latency: this.payLatencies.read() }
  }
}

interface StatusBody {
  readonly status: string
  readonly code?: string
}
