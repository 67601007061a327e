// The same from CommonJS.

import kren = require('@pawanxz/kren');

const writer: kren.Writer = new kren.Writer('name', 1024 * 1024);
writer.write('text');
const reader: kren.Reader = new kren.Reader('name');
const data: Buffer = reader.read();
const error: kren.KrenErrorCode = 'KREN_TIMED_OUT';
console.log(data.toString(), kren.errorCodes[error], kren.KrenError);
