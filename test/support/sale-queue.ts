import type { SaleQueue } from '../../src/messaging/topics.ts'

const selectQueues = `
  select id as "flashSaleId", routing, topic_key as "topicKey" from flash_sales`

/** The queue of a sale whose channels have been made, read from the database of a running program. */
export function queueOf(
  cluster: { query(sql: string): readonly object[] },
  flashSaleId: number,
): SaleQueue {
  const queues = cluster.query(selectQueues) as readonly SaleQueue[]
  const queue = queues.find((each) => each.flashSaleId === flashSaleId)
  if (queue === undefined) throw new Error(`no sale ${flashSaleId}`)
  return queue
}
