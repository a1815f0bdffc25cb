using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>/actions and /vm as JSON.</summary>
internal static class ActionBody
{
    public static VmmAction Read(JsonFields fields)
    {
        var name = fields.RequiredText("action_type");
        fields.NoOthers();
        return name switch
        {
            "InstanceStart" => new VmmAction.Start(),
            "FlushMetrics" => new VmmAction.FlushMetrics(),
            "SendCtrlAltDel" => new VmmAction.SendCtrlAltDel(),
            _ => throw fields.Fault("action_type", "must be \"InstanceStart\", \"FlushMetrics\" or \"SendCtrlAltDel\"."),
        };
    }

    public static VmmAction ReadState(JsonFields fields)
    {
        var state = fields.RequiredText("state");
        fields.NoOthers();
        return state switch
        {
            "Paused" => new VmmAction.Pause(),
            "Resumed" => new VmmAction.Resume(),
            _ => throw fields.Fault("state", "must be \"Paused\" or \"Resumed\"."),
        };
    }
}
