import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { renderTable, tableFile } from './hazard-table.ts';

mkdirSync(dirname(tableFile), { recursive: true });
writeFileSync(tableFile, renderTable());
