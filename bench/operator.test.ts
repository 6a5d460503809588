import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { auditFailures, databaseWorkIn } from './operator.ts'

const asked = 'holdfast_reserve_requests_total{outcome="held",asked="database"} 7'
const gated = 'holdfast_reserve_requests_total{outcome="sold_out",asked="gate"} 900'

test('statements of all processes and kinds are added up', () => {
  const text = [
    'holdfast_database_statements_total{kind="read"} 40',
    asked,
    'holdfast_database_statements_total{kind="write"} 2',
    gated,
    'holdfast_database_statements_total 100',
  ].join('\n')
  expect(databaseWorkIn(text)).toEqual({ unit: 'statements', count: 142 })
})

test('without a count of statements, requests the database was asked about stand in for it', () => {
  expect(databaseWorkIn(`${asked}\n${gated}`)).toEqual({ unit: 'requests', count: 7 })
  expect(databaseWorkIn(gated)).toEqual({ unit: 'requests', count: 0 })
})

test('what the audit found and what it could not check are failures', async () => {
  const invariants = [
    { id: 'I1', violations: 0 },
    { id: 'I4', violations: 2 },
  ]
  const audit = { holds: false, invariants, unchecked: ['I12 at the provider: out of time'] }
  const server = createServer((_, response) => response.end(JSON.stringify(audit)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  expect(await auditFailures({ origin, token: '', everywhere: [] })).toEqual([
    'audit: I4 violated 2 times',
    'audit: not checked: I12 at the provider: out of time',
  ])
  server.close()
})
