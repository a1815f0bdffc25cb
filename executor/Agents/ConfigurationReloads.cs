using Serilog;

namespace RunnerVm.Agents;

/// <summary>Asked to (SIGHUP), reads the configuration again and hands it on. A wrong one is told and changes nothing.</summary>
internal sealed class ConfigurationReloads(Func<AgentOptions> load, ILogger log)
{
    private readonly Lock _lock = new();
    private Action<AgentOptions>? _apply;

    /// <param name="apply">Makes a new configuration count.</param>
    public void Attach(Action<AgentOptions> apply)
    {
        lock (_lock) _apply = apply;
    }

    public void Reload()
    {
        // One at a time; signals may come close together.
        lock (_lock)
        {
            if (_apply is null) return;
            try
            {
                _apply(load());
            }
            catch (UserException e)
            {
                log.Error("The configuration is not reloaded, everything stays as it is. {Why}", e.Message);
            }
        }
    }
}
