import { z } from 'zod'
import type { Metrics } from '../../metrics.ts'
import type { Readiness } from '../http/readiness.ts'
import { defineRoute, json } from '../http/route.ts'

export function healthRoutes({ readiness }: { readonly readiness: Readiness }) {
  const live = defineRoute({
    method: 'get',
    path: '/livez',
    access: 'anyone',
    tag: 'operations',
    summary: 'Tell whether the process is alive',
    description:
      'Answers as long as the event loop of the process turns. Restart the process when it does not.',
    responses: { 200: { description: 'Alive', schema: z.object({ status: z.literal('alive') }) } },
    handle: () => Promise.resolve(json(200, { status: 'alive' })),
  })

  const checks = z.record(z.string(), z.string())
  const warnings = z.record(z.string(), z.string()).optional()
  const ready = defineRoute({
    method: 'get',
    path: '/readyz',
    access: 'anyone',
    tag: 'operations',
    summary: 'Tell whether the process is ready',
    description:
      'Send requests here only while it is ready: the database and the broker answer and the process is not shutting down.',
    responses: {
      200: {
        description: 'Ready',
        schema: z.object({ status: z.literal('ready'), checks, warnings }),
      },
      503: {
        description: 'Not ready',
        schema: z.object({ status: z.literal('not_ready'), checks, warnings }),
      },
    },
    async handle() {
      const report = await readiness.check()
      const { checks, warnings } = report
      if (report.ready) {
        return json(200, { status: 'ready', checks, ...(warnings && { warnings }) })
      }
      return json(
        503,
        { status: 'not_ready', checks, ...(warnings && { warnings }) },
        { 'retry-after': '1' },
      )
    },
  })

  return [live, ready]
}

export function metricsRoutes({ metrics }: { readonly metrics: Metrics }) {
  const show = defineRoute({
    method: 'get',
    path: '/metrics',
    internal: true,
    access: 'anyone',
    tag: 'operations',
    summary: 'Show the metrics',
    description: 'Metrics of this process in the text format of Prometheus.',
    responses: { 200: { description: 'Prometheus text' } },
    async handle() {
      const headers = { 'content-type': metrics.contentType }
      return { status: 200, headers, text: await metrics.read() }
    },
  })

  return [show]
}
