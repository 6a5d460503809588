import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { arrive } from './arrival.ts'
import { addressOf, Connection, type Address, type Answerer } from './connection.ts'
import type { LoadResult, SoakJob } from './job.ts'
import { Latencies } from './latencies.ts'
import { Requests } from './requests.ts'
import { Faults, kindOf, Tally } from './tally.ts'

type Step = 'add to cart' | 'put back' | 'checkout' | 'pay'

/** The allowed answers while holds expire and stock comes and goes at any moment. */
const allowed: Readonly<Record<Step, readonly string[]>> = {
  'add to cart': ['201', '202', '409 sold_out', '409 purchase_limit_reached', '409 cart_full'],
  'put back': ['204'],
  checkout: ['201', '409 cart_empty'],
  pay: ['200', '202', '409 invoice_expired'],
}

/** The fates of holds, taken in turn. */
const fates = ['pay', 'put back', 'check out and leave', 'leave', 'leave'] as const
type Fate = (typeof fates)[number]

const answeredWithinMs = 15_000
const crowdEveryMs = 2_000
const strangersPerTurn = 100
/** After this most connections are accepted, but not all are answered. */
const vanishAfterMs = 200
const vanishAfterMsEach = 0.25

interface Visit {
  readonly number: number
  readonly shopper: number
  readonly step: Step
  readonly fate: Fate
  readonly sentAt: number
}

/** Each connection serves one shopper after the other; beside them crowds come, ask and vanish. */
export class Soak implements Answerer {
  private readonly job: SoakJob
  private readonly requests: Requests
  /** The jobs of one soak number their visits alike, and a key is used once. */
  private readonly name = `soak-${randomUUID()}`
  private readonly visits = new Map<number, Visit>()
  private readonly answers = new Tally()
  private readonly latencies = new Latencies()
  private readonly payLatencies = new Latencies()
  private readonly faults = new Faults()
  private connections: readonly Connection[] = []
  private state: 'open' | 'closing' = 'open'
  private sent = 0
  private holds = 0
  private paid = 0

  constructor(job: SoakJob) {
    this.job = job
    this.requests = new Requests(job)
  }

  async prepare(): Promise<void> {
    const { connections: count, origins } = this.job
    this.connections = await arrive({ count, origins, look: this.requests.look }, this)
  }

  async run(tell: (edge: 'window opens' | 'window closes') => void): Promise<LoadResult> {
    tell('window opens')
    const openedAt = performance.now()
    const closesAt = openedAt + this.job.seconds * 1000
    for (const connection of this.connections) this.next(connection)
    await Promise.all([pause(this.job.seconds * 1000), this.sendCrowds(closesAt)])
    this.state = 'closing'
    const deadline = performance.now() + answeredWithinMs
    while (this.visits.size > 0 && performance.now() < deadline) await pause(1)
    tell('window closes')
    this.faults.add('without an answer', this.visits.size)
    for (const connection of this.connections) connection.close()
    return this.result((performance.now() - openedAt) / 1000)
  }

  answered(connection: Connection, status: number, body: string): void {
    const visit = this.visits.get(connection.index)
    this.visits.delete(connection.index)
    if (visit === undefined) {
      this.faults.add('an answer nobody waited for')
      return
    }
    const { step } = visit
    const kind = kindOf(status, body)
    this.answers.add(`${step}: ${kind}`)
    if (!allowed[step].includes(kind)) this.faults.add(`${step} answered ${kind}`)
    const waited = performance.now() - visit.sentAt
    if (step === 'add to cart') this.latencies.record(waited)
    else this.payLatencies.record(waited)
    this.goOn(connection, visit, { kind, body })
  }

  broke({ index }: Connection, reason: string): void {
    this.visits.delete(index)
    this.faults.add(`connection lost: ${reason}`)
  }

  private goOn(
    connection: Connection,
    visit: Visit,
    { kind, body }: { readonly kind: string; readonly body: string },
  ): void {
    const { number, shopper, step, fate } = visit
    if (step === 'add to cart' && kind === '201') {
      this.holds += 1
      if (fate === 'leave') this.next(connection)
      else if (fate === 'put back')
        this.ask(connection, visit, 'put back', this.requests.putBack(shopper))
      else
        this.ask(
          connection,
          visit,
          'checkout',
          this.requests.checkOut(shopper, `${this.name}-${number}`),
        )
    } else if (step === 'checkout' && kind === '201' && fate === 'pay') {
      const { invoice } = JSON.parse(body) as { readonly invoice: { readonly id: string } }
      this.ask(
        connection,
        visit,
        'pay',
        this.requests.pay(shopper, invoice.id, `${this.name}-${number}`),
      )
    } else {
      if (step === 'pay' && kind === '200') this.paid += 1
      this.next(connection)
    }
  }

  private next(connection: Connection): void {
    setTimeout(() => {
      if (this.state === 'open') this.visit(connection)
    }, this.job.thinkMs)
  }

  private visit(connection: Connection): void {
    const number = this.takeNumber()
    const shopper = number % this.job.visitors
    // The fate goes by the number of holds, not of visits: most visits are refused.
    const fate = fates[this.holds % fates.length] ?? 'leave'
    const request = this.requests.addToCart(shopper, number, undefined)
    this.ask(connection, { number, shopper, fate }, 'add to cart', request)
  }

  private ask(
    connection: Connection,
    visit: Pick<Visit, 'number' | 'shopper' | 'fate'>,
    step: Step,
    request: string,
  ): void {
    this.visits.set(connection.index, { ...visit, step, sentAt: performance.now() })
    connection.send(request)
  }

  private takeNumber(): number {
    this.sent += 1
    return this.sent
  }

  private async sendCrowds(closesAt: number): Promise<void> {
    const { crowds } = this.job
    for (let turn = 0; crowds.length > 0 && performance.now() < closesAt; turn++) {
      const startedAt = performance.now()
      await this.sendCrowd(crowds[turn % crowds.length] ?? 0)
      const rest = Math.min(startedAt + crowdEveryMs, closesAt) - performance.now()
      await pause(Math.max(0, rest))
    }
  }

  private async sendCrowd(count: number): Promise<void> {
    const addresses = this.job.origins.map(addressOf)
    const crowd: Connection[] = []
    for (let index = 0; index < count; index++) {
      const address = addresses[index % addresses.length]
      if (address !== undefined) crowd.push(this.strangerAt(index, address))
      // Opening them must not hold up the busy connections.
      if (index % strangersPerTurn === 0) await pause(1)
    }
    await pause(vanishAfterMs + count * vanishAfterMsEach)
    for (const connection of crowd) connection.vanish()
  }

  private strangerAt(index: number, address: Address): Connection {
    const number = this.takeNumber()
    const shopper = number % this.job.visitors
    const connection = new Connection(index, address, noOne)
    const request = this.requests.addToCart(shopper, number, `${this.name}-${number}`)
    // Every other request is cut off in its middle.
    connection.send(number % 2 === 0 ? request : request.slice(0, request.length / 2))
    return connection
  }

  private result(seconds: number): LoadResult {
    const answers = this.answers.read()
    const paying = { seconds, paid: this.paid, latency: this.payLatencies.read() }
    return {
      seconds,
      answers,
      answersInAll: answers,
      latency: this.latencies.read(),
      faults: this.faults.read(),
      toldLater: answers['add to cart: 202'] ?? 0,
      paying,
    }
  }
}

const noOne: Answerer = { answered: () => undefined, broke: () => undefined }
