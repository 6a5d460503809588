import { expect, test } from 'vitest'
import { databaseWorkIn } from './operator.ts'

const asked = 'holdfast_reserve_requests_total{outcome="held",asked="database"} 7'
const gated = 'holdfast_reserve_requests_total{outcome="sold_out",asked="gate"} 900'

test('statements of all processes and kinds are added up', () => {
  const text = [
    ...['holdfast_database_statements_total{kind="read"} 40', asked],
    ...['holdfast_database_statements_total{kind="write"} 2', gated],
    'holdfast_database_statements_total 100',
  ].join('\n')
  expect(databaseWorkIn(text)).toEqual({ unit: 'statements', count: 142 })
})

test('without a count of statements, requests the database was asked about stand in for it', () => {
  expect(databaseWorkIn(`${asked}\n${gated}`)).toEqual({ unit: 'requests', count: 7 })
  expect(databaseWorkIn(gated)).toEqual({ unit: 'requests', count: 0 })
})
