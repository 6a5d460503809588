import express, { type Express } from 'express'

const bodyLimit = '16kb'

/** Express 5 with its JSON parser, without what costs time and serves nobody here. */
export function createExpressApp(): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', false)
  app.use(express.json({ limit: bodyLimit }))
  return app
}
