import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

/**
 * Makes all metrics of `/metrics`. A process has one set and passes it to every part that counts
 * something.
 */
export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const collectors: (() => void)[] = []
  return {
    ...queueMetrics([registry]),
    ...stockMetrics([registry]),
    ...moneyMetrics([registry]),
    /** Registers a function that sets its gauges before every reading of `/metrics`. */
    onCollect(collect: () => void): void {
      collectors.push(collect)
    },
    /** Returns all metrics in Prometheus text format. */
    read(): Promise<string> {
      for (const collect of collectors) collect()
      return registry.metrics()
    },
    contentType: registry.contentType,
  }
}

function queueMetrics(registers: Registry[]) {
  return {
    addToCartOutcomes: new Counter({
      name: 'holdfast_add_to_cart_outcomes_total',
      help: 'Add-to-cart requests answered by this node, by answer',
      labelNames: ['outcome'],
      registers,
    }),
    addToCartSeconds: new Histogram({
      name: 'holdfast_add_to_cart_duration_seconds',
      help: 'Time from the parsed add-to-cart request to its answer',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    pendingReplies: new Gauge({
      name: 'holdfast_pending_replies',
      help: 'Add-to-cart requests held open, waiting for their outcome',
      registers,
    }),
    reserveBatchSize: new Histogram({
      name: 'holdfast_reserve_batch_size',
      help: 'Requests decided in one transaction',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
      registers,
    }),
    reserveRequests: new Counter({
      name: 'holdfast_reserve_requests_total',
      help: 'Requests decided by this consumer, by outcome and by whether the database was asked',
      labelNames: ['outcome', 'asked'],
      registers,
    }),
    unreadableMessages: new Counter({
      name: 'holdfast_messages_unreadable_total',
      help: 'Messages that were corrupt, forged or of an unknown version, and parked',
      labelNames: ['type', 'reason'],
      registers,
    }),
    databaseStatements: new Counter({
      name: 'holdfast_database_statements_total',
      help: 'SQL statements run by this process, begin and commit aside',
      registers,
    }),
    clockSkewSeconds: new Gauge({
      name: 'holdfast_clock_skew_seconds',
      help: 'How far the clock of another node was ahead of this one by its messages; the farthest of ten seconds',
      registers,
    }),
    workers: new Gauge({
      name: 'holdfast_workers',
      help: 'Workers seen by this API node in the last 15 seconds',
      registers,
    }),
    queueLag: new Gauge({
      name: 'holdfast_queue_lag_messages',
      help: 'Add-to-cart messages queued or in flight',
      labelNames: ['topic', 'channel'],
      registers,
    }),
  }
}

function stockMetrics(registers: Registry[]) {
  return {
    gateClosedProducts: new Gauge({
      name: 'holdfast_gate_closed_products',
      help: 'Products whose sold-out gate is closed in this consumer',
      registers,
    }),
    sweepAgeSeconds: new Gauge({
      name: 'holdfast_sweep_age_seconds',
      help: 'Time since the last finished sweep of expired holds',
      registers,
    }),
    sweptTotal: new Counter({
      name: 'holdfast_swept_total',
      help: 'Holds and invoices ended by the sweep',
      labelNames: ['kind'],
      registers,
    }),
    units: new Gauge({
      name: 'holdfast_units',
      help: 'Units of stock over all products',
      labelNames: ['state'],
      registers,
    }),
    invariantViolations: new Gauge({
      name: 'holdfast_invariant_violations',
      help: 'Rows breaking an invariant at the last audit; anything but 0 needs a human',
      labelNames: ['invariant'],
      registers,
    }),
    auditAgeSeconds: new Gauge({
      name: 'holdfast_audit_age_seconds',
      help: 'Time since the last audit that could check everything, or since the start',
      registers,
    }),
  }
}

function moneyMetrics(registers: Registry[]) {
  return {
    paymentWebhooks: new Counter({
      name: 'holdfast_payment_webhooks_total',
      help: 'Webhooks received from the payment provider, by result',
      labelNames: ['result'],
      registers,
    }),
    strandedPayments: new Gauge({
      name: 'holdfast_stranded_payments',
      help: 'Payments whose money could pay no invoice and that wait for a person',
      registers,
    }),
  }
}

export type Metrics = ReturnType<typeof createMetrics>
