import { UserError } from '../../errors.ts';
import { commandLine } from '../../host/own-command.ts';

/**
 * What is opened, or the error that another isocket works on the root with the next command to type: whoever typed this one wants it done.
 * @param otherwise another way, if there is one
 */
export const orStop = async <T>(opening: Promise<T>, otherwise = ''): Promise<T> => {
  try {
    return await opening;
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== 4 || error.hint !== undefined) throw error;
    const again = commandLine(process.argv.slice(2));
    const hint = `stop it for the time being, or let it end (a service: systemctl stop isocket@SITE); then: ${again}${otherwise}`;
    throw new UserError(error.message, { exitCode: 4, hint, cause: error });
  }
};
