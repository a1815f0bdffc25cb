using RunnerVm.Store;

namespace RunnerVm.Agents;

/// <summary>One agent a data directory: two would finish each other's jobs. The kernel lets go of it when the process ends, however it ends.</summary>
internal sealed class AgentLock : IDisposable
{
    private readonly FileStream _file;

    private AgentLock(FileStream file) => _file = file;

    /// <exception cref="UserException">Another agent has it.</exception>
    public static AgentLock Take(DataDirectory data)
    {
        var path = Path.Join(data.Root, "agent.lock");
        try
        {
            return new(new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException(ExitCodes.RunnerFailed,
                $"Cannot take {path}: {e.Message} Another agent runs with this data directory; stop it, or give this one another by RUNNERVM_HOME.", e);
        }
    }

    public void Dispose() => _file.Dispose();
}
