'use strict'

// The client as a program outside the platform makes it; the Rust side passes the server and the key.
const openwhisk = require('openwhisk')

const required = name => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

module.exports = {
  namespace: required('E2E_NAMESPACE'),
  client: openwhisk({ apihost: required('E2E_API'), api_key: required('E2E_AUTH'), ignore_certs: true })
}
