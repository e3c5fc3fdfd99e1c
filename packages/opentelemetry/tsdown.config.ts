import { libraryBuild } from '../../tsdown.base.ts';

export default libraryBuild(['src/index.ts'], { copy: ['dashboards/grafana.json'] });
